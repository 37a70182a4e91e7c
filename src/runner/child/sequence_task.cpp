#include "runner/child/sequence_task.hpp"

#include <algorithm>
#include <optional>
#include <span>
#include <stdexcept>

#include "core/embedded.hpp"
#include "core/json.hpp"
#include "inference/onnx_session.hpp"
#include "media/video_writer.hpp"
#include "runner/child/drawing_task.hpp"
#include "runner/child/stored_frame_reader.hpp"

namespace infernode::runner {
namespace {

namespace json = boost::json;

// The reader of the frames that the task draws on.
media::FrameReader drawn_reader(const json::value& task, int step, Channel& channel,
                                OpenVideo& open) {
  auto reader = open_reader(task, channel, open);
  reader.want({json::value_to<int>(task.at("start_frame")),
               json::value_to<int>(task.at("end_frame")), step});
  return reader;
}

// What no model took part in.
json::object outcome_of(int processed, json::value tally) {
  return {{"processed", processed},
          {"skipped", 0},
          {"failed", 0},
          {"reasons", json::object{}},
          {"tally", std::move(tally)},
          {"models", json::array{}},
          {"provider", "cpu"},
          {"runtime", inference::runtime_version()},
          {"build", build_version()}};
}

}  // namespace

json::object run_sequence_task(const json::value& task, const PipelineCatalogue& pipelines,
                               int threads, Channel& channel, OpenVideo& open) {
  const auto& params = task.at("params").as_object();
  const Pipeline& pipeline = pipeline_of(task, pipelines);
  auto sequence = pipeline.sequence(params);
  if (!sequence) {
    throw std::runtime_error("the pipeline needs no frames in order");
  }
  const auto common = common_params(params);
  const bool draws = common.wants_images || common.wants_video;
  std::optional<media::VideoWriter> video;
  if (common.wants_video) {
    video.emplace(
        task.at("fps").to_number<double>() / common.frame_step,
        [&channel](std::span<const std::byte> bytes) {
          for (; !bytes.empty(); bytes = bytes.subspan(std::min(bytes.size(), kVideoBytes))) {
            channel.send(MessageType::video, {bytes.first(std::min(bytes.size(), kVideoBytes))});
          }
        });
  }
  DrawingTask drawing{pipeline, params};
  FrameDrawing drawn{
      drawing,
      draws ? std::optional{drawn_reader(task, common.frame_step, channel, open)} : std::nullopt,
      threads, channel, [&video](const AVFrame& picture) { video.value().write(picture); }};
  const auto hand_on = [&](std::vector<json::object> frames) {
    for (auto& frame : frames) {
      drawn.push(std::move(frame));
    }
  };
  ChannelSource source{channel, 1, json::value_to<std::int64_t>(task.at("frames_bytes"))};
  StoredFrameReader stored{source};
  while (auto frame = stored.next()) {
    hand_on(sequence->push(std::move(*frame)));
  }
  hand_on(sequence->finish());
  drawn.finish();
  if (draws) {
    open.container = drawn.release();
  }
  if (video) {
    channel.send(MessageType::video_head, {video->finish()});
  }
  auto outcome = outcome_of(drawn.sent(), json::value_from(sequence->tally()));
  outcome.emplace("summary", sequence->summary());
  return outcome;
}

json::object run_redraw_task(const json::value& task, const PipelineCatalogue& pipelines,
                             int threads, Channel& channel, OpenVideo& open) {
  const auto& params = task.at("params").as_object();
  const Pipeline& pipeline = pipeline_of(task, pipelines);
  auto redrawing = pipeline.redrawing(params);
  const bool in_order_follows = pipeline.sequence(params).has_value();
  const auto common = common_params(params);
  const bool draws = common.wants_images && !in_order_follows;
  const auto start = json::value_to<std::int64_t>(task.at("start_frame"));
  const auto end = json::value_to<std::int64_t>(task.at("end_frame"));
  DrawingTask drawing{pipeline, params};
  FrameDrawing drawn{
      drawing,
      draws ? std::optional{drawn_reader(task, common.frame_step, channel, open)} : std::nullopt,
      threads, channel};
  ChannelSource source{channel, 1, json::value_to<std::int64_t>(task.at("frames_bytes"))};
  StoredFrameReader stored{source};
  stored.go_to(static_cast<int>(start));
  while (auto frame = stored.next()) {
    const auto index = frame->at("frame").to_number<std::int64_t>();
    if (index >= end) {
      break;
    }
    if (index >= start) {
      for (auto& finished : redrawing.push(std::move(*frame))) {
        drawn.push(std::move(finished));
      }
    }
  }
  drawn.finish();
  if (draws) {
    open.container = drawn.release();
  }
  auto outcome = outcome_of(
      drawn.sent(), in_order_follows ? json::object{} : json::value_from(redrawing.tally()));
  const std::int64_t missing =
      (end - start + common.frame_step - 1) / common.frame_step - drawn.sent();
  if (missing > 0) {
    outcome.at("skipped") = missing;
    outcome.at("reasons") = json::object{{"not_in_drawn_job", missing}};
  }
  return outcome;
}

}  // namespace infernode::runner
