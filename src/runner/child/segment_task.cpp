#include "runner/child/segment_task.hpp"

#include "core/embedded.hpp"
#include "core/json.hpp"
#include "pipelines/frame_task.hpp"
#include "runner/child/frame_lanes.hpp"

namespace infernode::runner {

namespace json = boost::json;

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
  if (lanes.failed() > 0) {
    reasons.emplace("inference_failed", lanes.failed());
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
          {"failed", lost + lanes.failed()},
          {"reasons", std::move(reasons)},
          {"first_failure", lanes.first_failure()},
          {"tally", json::value_from(lanes.tally())},
          {"models", std::move(used)},
          {"provider", provider},
          {"runtime", inference::runtime_version()},
          {"build", build_version()}};
}

}  // namespace infernode::runner
