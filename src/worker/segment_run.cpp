#include "worker/segment_run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "core/clock.hpp"
#include "core/json.hpp"
#include "core/log.hpp"
#include "energy/meter.hpp"
#include "pipelines/pipeline.hpp"
#include "results/frame_query.hpp"

namespace infernode {
namespace {

namespace json = boost::json;
using runner::RunnerCrashed;

const char* name_of(RunnerOp op) {
  switch (op) {
    case RunnerOp::infer:
      return "segment";
    case RunnerOp::in_order:
      return "sequence";
    case RunnerOp::redraw:
      return "redraw";
  }
  return "";
}

json::object task_of(const SegmentWork& work) {
  json::value keyframe;
  if (const auto& key = work.plan.keyframe) {
    keyframe = media::keyframe_to_json(*key);
  }
  return {{"op", name_of(work.op)},
          {"frames_bytes", work.frames_bytes},
          {"video_bytes", work.video_bytes},
          {"fps", work.fps},
          {"video_sha256", work.video_sha256},
          {"start_frame", work.plan.start_frame},
          {"end_frame", work.plan.end_frame},
          {"keyframe", keyframe},
          {"params", work.params}};
}

runner::TaskLimits limits_of(const SegmentWork& work, std::int64_t model_bytes) {
  const auto common = common_params(work.params);
  const int first = work.plan.keyframe ? work.plan.keyframe->frame : 0;
  auto limits =
      runner::segment_limits({std::max(0, work.plan.end_frame - first), work.plan.image_count,
                              work.width, work.height, common.wants_crops},
                             work.video_bytes + work.frames_bytes, work.threads, model_bytes);
  if (common.wants_sound) {
    limits.video_bytes += work.video_bytes;
  }
  return limits;
}

// A frame's text becomes a line of the result as it is.
void require_frame(const runner::RunnerFrame& frame) {
  boost::system::error_code error;
  const auto value = json::parse(frame.json, error);
  const auto* object = error ? nullptr : value.if_object();
  const auto* number = object == nullptr ? nullptr : object->if_contains("frame");
  if (number == nullptr || !number->is_int64() || number->as_int64() != frame.frame ||
      frame_number(frame.json) != frame.frame ||
      frame.json.find_first_of("\n\r") != std::string::npos) {
    throw RunnerCrashed(
        fmt::format("the runner sent a text that is none of frame {}", frame.frame));
  }
}

// More than any segment can count.
constexpr std::int64_t kMaxCount = 1'000'000'000'000;
constexpr std::size_t kMaxFailureBytes = 500;  // of what a library says, in the log
// Loading models counts for the first task.
constexpr double kLoadingSeconds = 600;

// The runner reads untrusted bytes, so what it says is looked at before anything follows from it.
int count_at(const json::object& details, const char* key, int most) {
  const auto* value = details.if_contains(key);
  if (value == nullptr || !value->is_number()) {
    throw RunnerCrashed(fmt::format("the runner's outcome has no number {}", key));
  }
  boost::system::error_code error;
  const auto number = value->to_number<std::int64_t>(error);
  if (error || number < 0 || number > most) {
    throw RunnerCrashed(fmt::format("the runner's outcome has an impossible {}", key));
  }
  return static_cast<int>(number);
}

void require_text(const json::object& details, const char* key) {
  const auto* value = details.if_contains(key);
  if (value == nullptr || !value->is_string()) {
    throw RunnerCrashed(fmt::format("the runner's outcome has no text {}", key));
  }
}

void require_counters(const json::object& details, const char* key) {
  const auto* value = details.if_contains(key);
  const auto* counters = value == nullptr ? nullptr : value->if_object();
  if (counters == nullptr) {
    throw RunnerCrashed(fmt::format("the runner's outcome has no counters {}", key));
  }
  for (const auto& [name, count] : *counters) {
    if (!count.is_int64() || count.as_int64() < 0 || count.as_int64() > kMaxCount) {
      throw RunnerCrashed(fmt::format("the runner's outcome has an impossible counter in {}", key));
    }
  }
}

void require_models(const json::object& details) {
  const auto* value = details.if_contains("models");
  const auto* models = value == nullptr ? nullptr : value->if_array();
  if (models == nullptr) {
    throw RunnerCrashed("the runner's outcome does not say which models took part");
  }
  for (const auto& model : *models) {
    const auto* object = model.if_object();
    if (object == nullptr) {
      throw RunnerCrashed("the runner's outcome names a model that is none");
    }
    require_text(*object, "name");
    require_text(*object, "sha256");
  }
}

double cpu_seconds_of(const json::object& details, double wall_seconds) {
  const auto* value = details.if_contains("cpu_seconds");
  const double seconds = value != nullptr && value->is_number() ? value->to_number<double>() : -1;
  const double most = wall_seconds * 2 * std::max(1U, std::thread::hardware_concurrency());
  if (!(seconds >= 0 && seconds <= most + kLoadingSeconds)) {
    throw RunnerCrashed("the runner's outcome does not say what it used");
  }
  return seconds;
}

}  // namespace

asio::awaitable<SegmentOutcome> run_segment(runner::RunnerProcess& runner, SegmentWork work,
                                            runner::SourceReader read, ResultRecorder& recorder,
                                            EnergySettings energy, std::function<void()> on_frame,
                                            runner::VideoSink video) {
  const auto common = common_params(work.params);
  std::int64_t next = work.plan.start_frame;  // no frame before it may come any more
  runner::FrameSink sink = [&](runner::RunnerFrame frame) -> asio::awaitable<void> {
    const std::int64_t from_start = std::int64_t{frame.frame} - work.plan.start_frame;
    if (frame.frame < next || frame.frame >= work.plan.end_frame ||
        from_start % common.frame_step != 0) {
      throw RunnerCrashed(
          fmt::format("the runner sent frame {}, which is not its turn", frame.frame));
    }
    require_frame(frame);
    next = std::int64_t{frame.frame} + 1;
    co_await recorder.add(frame.frame, std::move(frame.json), std::move(frame.jpeg),
                          std::move(frame.crops));
    on_frame();
  };
  const energy::Meter meter{energy.watts_per_core, energy.cards};
  auto task = task_of(work);
  const auto limits = limits_of(work, runner.options().model_bytes);
  const auto started = std::chrono::steady_clock::now();
  const auto said =
      co_await runner.run(std::move(task), limits, std::move(read), sink, std::move(video));

  SegmentOutcome outcome;
  const int images = work.plan.image_count;
  outcome.processed = count_at(said, "processed", images);
  outcome.skipped = count_at(said, "skipped", images);
  outcome.failed = count_at(said, "failed", images);
  if (outcome.processed != recorder.frames() ||
      outcome.processed + outcome.skipped + outcome.failed != images) {
    throw RunnerCrashed("the runner's outcome does not add up to its segment");
  }
  for (const char* key : {"provider", "runtime", "processor", "build"}) {
    require_text(said, key);
  }
  if (const auto* failure = said.if_contains("first_failure")) {
    require_text(said, "first_failure");
    if (!failure->as_string().empty()) {
      log::warn("frames {} to {}: the model failed on some, first with: {}", work.plan.start_frame,
                work.plan.end_frame,
                utf8_prefix(std::string_view{failure->as_string()}, kMaxFailureBytes));
    }
  }
  require_counters(said, "tally");
  require_counters(said, "reasons");
  require_models(said);
  const auto* summary = said.if_contains("summary");
  if (summary != nullptr && !summary->is_object()) {
    throw RunnerCrashed("the runner's outcome has a summary that is none");
  }
  // Only what was looked at is kept.
  json::object details;
  for (const char* key :
       {"provider", "runtime", "processor", "build", "tally", "reasons", "models"}) {
    details.emplace(key, said.at(key));
  }
  if (summary != nullptr) {
    details.emplace("summary", *summary);
  }
  const auto used = meter.read(cpu_seconds_of(said, seconds_since(started)),
                               json::value_to<std::string>(details.at("provider")));
  outcome.joules = used.joules;
  outcome.grams = energy::grams_of(used.joules, energy.grid);
  details.emplace("energy_method", used.method);
  details.emplace("joules", used.joules);
  details.emplace("grams", outcome.grams);
  details.emplace("grid_g_per_kwh", energy.grid.grams_per_kwh);
  details.emplace("grid_source", energy.grid.source);
  if (recorder.crops_left_out() > 0) {
    details.emplace("crops_left_out", recorder.crops_left_out());
  }
  outcome.details = std::move(details);
  outcome.image_index = recorder.image_index();
  outcome.images_bytes = recorder.images_bytes();
  outcome.frames_bytes = recorder.frames_bytes();
  co_return outcome;
}

}  // namespace infernode
