#include "pipelines/object_pipeline.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "core/json.hpp"
#include "pipelines/detector.hpp"
#include "pipelines/drawing.hpp"
#include "pipelines/frame_images.hpp"
#include "pipelines/frame_task.hpp"
#include "pipelines/object_finder.hpp"
#include "pipelines/tracking_step.hpp"

namespace infernode {
namespace {

namespace json = boost::json;

std::vector<int> class_ids(const std::vector<std::string>& kept,
                           const std::vector<std::string>& labels) {
  std::vector<int> ids;
  for (const auto& name : kept) {
    const auto before = ids.size();
    for (std::size_t id = 0; id < labels.size(); ++id) {  // a label may stand for several classes
      if (labels[id] == name) {
        ids.push_back(static_cast<int>(id));
      }
    }
    if (ids.size() == before) {
      // None of them would mean all: what was to be hidden might show.
      throw std::runtime_error("the model has no label " + name + " any more");
    }
  }
  return ids;
}

// By name, each as x and y in pixels and, where the model tells it, a confidence.
json::object keypoints_object(const std::vector<inference::Keypoint>& keypoints,
                              const std::vector<std::string>& names) {
  json::object object;
  for (std::size_t i = 0; i < keypoints.size(); ++i) {
    json::array point{keypoints[i].x, keypoints[i].y};
    if (keypoints[i].confidence) {
      point.push_back(*keypoints[i].confidence);
    }
    object.emplace(names.at(i), std::move(point));
  }
  return object;
}

// With the model that the params name.
class ModelFinder : public ObjectFinder {
public:
  ModelFinder(const inference::LoadedModel& loaded, const json::object& params,
              const std::vector<std::string>& kept)
      : detector_{loaded, wanted_confidence(params), class_ids(kept, loaded.model.labels)} {}

  json::array find(const media::DecodedFrame& frame) override {
    const auto& model = detector_.model();
    json::array objects;
    for (const auto& detection : detector_.detect(frame)) {
      json::object object{
          {"label", model.labels[static_cast<std::size_t>(detection.class_id)]},
          {"class_id", detection.class_id},
          {"confidence", detection.confidence},
          {"box", json::array{detection.x, detection.y, detection.width, detection.height}}};
      if (!detection.keypoints.empty()) {
        object.emplace("keypoints", keypoints_object(detection.keypoints, model.keypoints));
      }
      objects.push_back(std::move(object));
    }
    return objects;
  }

private:
  Detector detector_;
};

class ObjectPainter : public FramePainter {
public:
  explicit ObjectPainter(const json::object& params) : style_{drawing_style(params)} {}
  void paint(media::Image& image, const json::object& frame) const override {
    if (style_.hiding == DrawingStyle::Hiding::none) {
      draw_boxes(image, frame.at("objects").as_array(), style_);
    } else {
      hide_boxes(image, frame, "objects", style_.hiding);
    }
    draw_zones(image, frame, style_);
  }

private:
  DrawingStyle style_;
};

class ObjectWorker : public FrameWorker {
public:
  ObjectWorker(std::unique_ptr<ObjectFinder> finder, const json::object& params)
      : finder_{std::move(finder)},
        in_order_{goes_in_order(params)},
        painter_{params},
        images_{painter_, common_params(params), "objects"} {}

  FrameResult work(const media::DecodedFrame& frame) override {
    const json::object object{{"frame", frame.index},
                              {"time", std::round(frame.time * 1e3) / 1e3},
                              {"objects", finder_->find(frame)}};
    FrameResult result;
    result.json = json_text(object);
    if (in_order_) {
      return result;  // counted and drawn once it is known what belongs together
    }
    for (const auto& found : object.at("objects").as_array()) {
      ++result.tally[json::value_to<std::string>(found.at("label"))];
    }
    images_.add(frame, object, result);
    return result;
  }

private:
  std::unique_ptr<ObjectFinder> finder_;
  bool in_order_;
  ObjectPainter painter_;
  FrameImages images_;
};

class ObjectTask : public FrameTask {
public:
  ObjectTask(const ObjectPipeline& pipeline, const inference::RunnerModels& models,
             json::object params)
      : pipeline_{pipeline}, models_{models}, params_{std::move(params)} {}
  std::unique_ptr<FrameWorker> new_worker() const override {
    return std::make_unique<ObjectWorker>(pipeline_.finder(params_, models_), params_);
  }

private:
  const ObjectPipeline& pipeline_;
  const inference::RunnerModels& models_;
  json::object params_;
};

}  // namespace

ObjectPipeline::ObjectPipeline(std::string name, std::string description, double image_milliseconds)
    : Pipeline{std::move(name), std::move(description), "objects"},
      image_milliseconds_{image_milliseconds} {}

double wanted_confidence(const json::object& params) {
  const double confidence = json::value_to<double>(params.at("confidence"));
  return is_tracked(params) ? std::min(confidence, kTrackingConfidence) : confidence;
}

std::unique_ptr<ObjectFinder> ObjectPipeline::finder(const json::object& params,
                                                     const inference::RunnerModels& models) const {
  return std::make_unique<ModelFinder>(models.at(json::value_to<std::string>(params.at("model"))),
                                       params, kept_labels(params));
}

std::unique_ptr<FrameTask> ObjectPipeline::open(const json::object& params,
                                                const inference::RunnerModels& models) const {
  return std::make_unique<ObjectTask>(*this, models, params);
}

std::unique_ptr<FramePainter> ObjectPipeline::painter(const json::object& params) const {
  return std::make_unique<ObjectPainter>(params);
}

json::object ObjectPipeline::summary(const json::object& tally) const {
  std::int64_t objects = 0;
  for (const auto& [label, count] : tally) {
    objects += json::value_to<std::int64_t>(count);
  }
  return {{"objects", objects}, {"labels", tally}};
}

}  // namespace infernode
