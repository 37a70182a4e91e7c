#include "runner/child/segment_task.hpp"

#include <map>
#include <mutex>

#include "core/embedded.hpp"
#include "core/json.hpp"
#include "core/json_splitter.hpp"
#include "pipelines/frame_images.hpp"
#include "pipelines/frame_task.hpp"
#include "runner/child/frame_lanes.hpp"

namespace infernode::runner {
namespace {

namespace json = boost::json;

// The task's video from the task's keyframe on; the one that is open, if it is this.
media::FrameReader open_reader(const json::value& task, Channel& channel, OpenVideo& open) {
  const auto sha256 = json::value_to<std::string>(task.at("video_sha256"));
  if (sha256.empty() || open.sha256 != sha256) {
    open.container.reset();
    open.source = std::make_unique<ChannelSource>(
        channel, 0, json::value_to<std::int64_t>(task.at("video_bytes")));
    open.sha256 = sha256;
  }
  const auto& keyframe = task.at("keyframe");
  return {*open.source,
          keyframe.is_null() ? std::nullopt : std::optional{media::keyframe_from_json(keyframe)},
          std::exchange(open.container, nullptr)};
}

const Pipeline& pipeline_of(const json::value& task, const PipelineCatalogue& pipelines) {
  const auto pipeline = pipelines.of(task.at("params").as_object());
  if (!pipeline) {
    throw std::runtime_error(pipeline.error().detail);
  }
  return **pipeline;
}

// Draws frames whose JSON is known already.
class DrawingTask : public FrameTask {
public:
  DrawingTask(const Pipeline& pipeline, const json::object& params)
      : painter_{pipeline.painter(params)}, quality_{common_params(params).image_quality} {}

  // What the frame's worker will take.
  void put(int index, json::object frame) {
    const std::lock_guard lock{mutex_};
    frames_.emplace(index, std::move(frame));
  }

  std::unique_ptr<FrameWorker> new_worker() const override {
    return std::make_unique<Worker>(*this);
  }

private:
  class Worker : public FrameWorker {
  public:
    explicit Worker(const DrawingTask& task) : task_{task} {}
    FrameResult work(const media::DecodedFrame& frame) override {
      const auto object = task_.take(frame.index);
      FrameResult result;
      result.json = json_text(object);
      if (frame.picture) {
        result.jpeg = images_.draw(frame, task_.quality_, [&](media::Image& image) {
          task_.painter_->paint(image, object);
        });
      }
      return result;
    }

  private:
    const DrawingTask& task_;
    FrameImages images_;
  };

  json::object take(int index) const {
    const std::lock_guard lock{mutex_};
    return std::move(frames_.extract(index).mapped());
  }

  std::unique_ptr<FramePainter> painter_;
  int quality_;
  mutable std::mutex mutex_;
  mutable std::map<int, json::object> frames_;
};

// Frames as they were stored, one after the other, out of source 1.
class StoredFrames {
public:
  StoredFrames(Channel& channel, std::int64_t bytes) : source_{channel, 1, bytes} {}

  std::optional<json::object> next() {
    for (;;) {
      if (const auto text = splitter_.next()) {
        return json::parse(*text).as_object();
      }
      const std::size_t count = source_.read_at(offset_, std::as_writable_bytes(std::span{piece_}));
      if (count == 0) {
        if (!splitter_.complete()) {
          throw std::runtime_error("the stored frames end in the middle of one");
        }
        return std::nullopt;
      }
      offset_ += static_cast<std::int64_t>(count);
      splitter_.feed({piece_.data(), count});
    }
  }

private:
  ChannelSource source_;
  JsonSplitter splitter_;
  std::vector<char> piece_ = std::vector<char>(256 * 1024);
  std::int64_t offset_ = 0;
};

}  // namespace

json::object run_sequence_task(const json::value& task, const PipelineCatalogue& pipelines,
                               int threads, Channel& channel, OpenVideo& open) {
  const auto& params = task.at("params").as_object();
  const Pipeline& pipeline = pipeline_of(task, pipelines);
  const auto step = pipeline.sequence(params);
  if (!step) {
    throw std::runtime_error("the pipeline needs no frames in order");
  }
  const auto common = common_params(params);
  std::optional<media::FrameReader> reader;
  if (common.wants_images) {
    reader.emplace(open_reader(task, channel, open));
    reader->want({json::value_to<int>(task.at("start_frame")),
                  json::value_to<int>(task.at("end_frame")), common.frame_step});
  }
  DrawingTask drawing{pipeline, params};
  FrameLanes lanes{drawing, threads, channel};
  std::optional<media::DecodedFrame> decoded;
  const auto hand_on = [&](std::vector<json::object> frames) {
    for (auto& frame : frames) {
      const int index = json::value_to<int>(frame.at("frame"));
      while (reader && (!decoded || decoded->index < index)) {
        decoded = reader->next();
        if (!decoded) {
          break;
        }
      }
      media::DecodedFrame work{};
      if (decoded && decoded->index == index) {
        work = std::move(*decoded);
        decoded.reset();
      }
      work.index = index;
      drawing.put(index, std::move(frame));
      lanes.push(std::move(work));
    }
  };
  StoredFrames stored{channel, json::value_to<std::int64_t>(task.at("frames_bytes"))};
  while (auto frame = stored.next()) {
    hand_on(step->push(std::move(*frame)));
  }
  hand_on(step->finish());
  lanes.finish();
  if (reader) {
    open.container = reader->release();
  }
  return {{"processed", lanes.sent()},
          {"skipped", 0},
          {"failed", 0},
          {"reasons", json::object{}},
          {"tally", json::value_from(step->tally())},
          {"summary", step->summary()},
          {"models", json::array{}},
          {"provider", "cpu"},
          {"runtime", inference::runtime_version()},
          {"build", build_version()}};
}

json::object run_segment_task(const json::value& task, const PipelineCatalogue& pipelines,
                              const inference::RunnerModels& models, int threads, Channel& channel,
                              OpenVideo& open) {
  const auto& params = task.at("params").as_object();
  const Pipeline& pipeline = pipeline_of(task, pipelines);
  const auto frame_task = pipeline.open(params, models);
  // 64-bit: a step may be as large as an int.
  const std::int64_t step = common_params(params).frame_step;
  const auto end = json::value_to<std::int64_t>(task.at("end_frame"));
  auto wanted = json::value_to<std::int64_t>(task.at("start_frame"));  // the next selected frame
  auto reader = open_reader(task, channel, open);
  reader.want({static_cast<int>(wanted), static_cast<int>(end), static_cast<int>(step)});
  FrameLanes lanes{*frame_task, threads, channel};
  std::int64_t lost = 0;  // selected frames that the decoder could not give
  while (wanted < end) {
    auto frame = reader.next();
    if (!frame) {
      break;
    }
    for (; wanted < frame->index && wanted < end; wanted += step) {
      ++lost;
    }
    if (frame->index == wanted && wanted < end) {
      lanes.push(std::move(*frame));
      wanted += step;
    }
  }
  lanes.finish();
  std::int64_t missing = 0;  // selected frames after the last one that the video gave
  for (; wanted < end; wanted += step) {
    ++(reader.timed() ? lost : missing);  // by their times it is known that they are there
  }
  open.container = reader.release();
  json::object reasons;
  if (lost > 0) {
    reasons.emplace("not_decodable", lost);
  }
  if (missing > 0) {
    reasons.emplace("after_last_frame", missing);
  }
  json::array used;
  std::string provider = "cpu";
  for (const auto& name : pipeline.models(params)) {
    const auto& loaded = models.at(name);
    used.push_back(json::object{{"name", name}, {"sha256", loaded.model.sha256}});
    provider = loaded.session->provider();
  }
  return {{"processed", lanes.sent()},
          {"skipped", missing},
          {"failed", lost},
          {"reasons", std::move(reasons)},
          {"tally", json::value_from(lanes.tally())},
          {"models", std::move(used)},
          {"provider", provider},
          {"runtime", inference::runtime_version()},
          {"build", build_version()}};
}

}  // namespace infernode::runner
