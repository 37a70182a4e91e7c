#pragma once

#include <boost/json.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"
#include "core/id.hpp"
#include "core/json_schema.hpp"
#include "inference/model_catalogue.hpp"
#include "pipelines/frame_sequence.hpp"

namespace infernode {

namespace inference {
class RunnerModels;
}
class FrameTask;
class FramePainter;

// What resolving params needs to know of a video.
struct VideoFacts {
  int frame_count = 0;
  int width = 0;   // pixels as shown; 0: not known
  int height = 0;  // likewise
};

// One thing that can be done with a video's frames: one object a kind, without state.
// docs/extending.md walks through adding one.
class Pipeline {
public:
  // `name` is also that of the file api/pipelines/NAME.yaml, which says what the params are. `list`
  // is the key of what is found in a frame: "objects".
  Pipeline(std::string name, std::string description, std::string list);
  virtual ~Pipeline() = default;
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  const std::string& name() const { return name_; }
  // The key of what is found in a frame.
  const std::string& list() const { return list_; }
  const std::string& description() const { return description_; }
  const boost::json::value& params_schema() const { return schema_.source(); }

  // Checks params against the schema; `invalid`, with pointers below /params.
  Result<void> check(const boost::json::object& given) const;
  // Checked params with every default filled in, in the order of the schema, for a video.
  // `invalid`, naming the key, for what contradicts itself, the video or the models.
  Result<boost::json::object> resolve(const boost::json::object& given, const VideoFacts& video,
                                      const inference::ModelCatalogue& models) const;

  // The params of a job that draws again what the job `drawn` found, whose params were `before`:
  // with `changes` in their place, keys of the schema. `invalid`, naming the key, for what needs
  // inference, or contradicts itself.
  Result<boost::json::object> resolve_again(JobId drawn, boost::json::object before,
                                            const boost::json::object& changes,
                                            const VideoFacts& video,
                                            const inference::ModelCatalogue& models) const;

  // The rest takes resolved params.

  // Names of the models that a runner must have loaded; none for a pipeline without.
  std::vector<std::string> models(const boost::json::object& params) const;
  // What one image costs beyond decoding, in milliseconds of one core; segments are cut by it.
  virtual double image_milliseconds(const boost::json::object& params) const = 0;
  // In the runner, where `models` are loaded; they must outlive the task. Throws std::exception.
  virtual std::unique_ptr<FrameTask> open(const boost::json::object& params,
                                          const inference::RunnerModels& models) const = 0;
  // What needs the frames in order, once all of them are there; nullopt where nothing does. Where
  // it does, what open() makes draws nothing and counts nothing: that follows on the sequence.
  std::optional<FrameSequence> sequence(const boost::json::object& params) const;
  // What makes stored frames fit for being drawn again, each by itself.
  FrameSequence redrawing(const boost::json::object& params) const;
  // What draws frames of the result.
  virtual std::unique_ptr<FramePainter> painter(const boost::json::object& params) const = 0;
  // The summary in the result, out of the counters of all frames.
  virtual boost::json::object summary(const boost::json::object& tally) const = 0;

protected:
  // What only this pipeline knows to check: the defaults are filled in already. `model` is the one
  // that the params name, nullptr for a pipeline whose schema has no model, and where a job is
  // drawn again whose model is not there any more.
  virtual Result<void> check_resolved(const boost::json::object& params,
                                      const inference::Model* model) const = 0;

private:
  std::string name_;
  std::string description_;
  std::string list_;
  JsonSchema schema_;
};

// All pipelines of this program.
class PipelineCatalogue {
public:
  PipelineCatalogue();

  const std::vector<std::unique_ptr<Pipeline>>& all() const { return pipelines_; }
  // nullptr when there is none of that name.
  const Pipeline* find(std::string_view name) const;
  // The one that params name. `invalid`, naming /params/pipeline, when there is none.
  Result<const Pipeline*> of(const boost::json::object& params) const;
  // As JSON, each with its schema and models: GET /pipelines.
  boost::json::object to_json(const inference::ModelCatalogue& models) const;

private:
  std::vector<std::unique_ptr<Pipeline>> pipelines_;
};

// `invalid`, naming a key of the params.
Error invalid_param(const std::string& key, const std::string& detail);

// What every pipeline's resolved params say, where its schema has the keys.
struct CommonParams {
  int start_frame = 0;
  int end_frame = 0;  // exclusive
  int frame_step = 1;
  bool wants_images = true;
  bool wants_crops = false;  // images of single objects
  bool wants_video = false;
  bool wants_sound = false;  // in the video
  int image_quality = 85;    // of JPEGs, 1..100
  std::string device = "auto";
  double max_failed = 1;  // share of the selected frames that may fail before the job does
};
CommonParams common_params(const boost::json::object& params);

// Whether frames must be gone through in order, once all of them are there: `track`, `zones`,
// `anonymize`, `video`.
bool goes_in_order(const boost::json::object& params);
// How what was found is hidden in images and video: "none", "blur", "pixelate" or "fill".
std::string anonymizing(const boost::json::object& params);
// Whether boxes are followed from frame to frame: `track`, and to hide what they show.
bool is_tracked(const boost::json::object& params);
// What params may ask for grows with versions, and a worker of an older one, as there are during an
// upgrade, would leave it out unseen: what a worker must know for them. 2: `zones`, `anonymize`,
// `video`, and drawing again. 3: `sound`, `crops`.
constexpr int kParamsRevision = 3;
int params_revision(const boost::json::object& params);
// The job whose frames are drawn again; nullopt where frames of a video are worked on.
std::optional<JobId> drawn_job(const boost::json::object& params);

}  // namespace infernode
