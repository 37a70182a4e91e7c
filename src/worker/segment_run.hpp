#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/json.hpp>
#include <functional>

#include "energy/graphics_cards.hpp"
#include "energy/grid.hpp"
#include "jobs/segment.hpp"
#include "results/result_recorder.hpp"
#include "runner/host/runner_process.hpp"

namespace infernode {

enum class RunnerOp {
  infer,     // on frames of the video
  in_order,  // go once more through the frames that all segments stored
  redraw,    // draw again what another job found
};

// What one run of a runner is to do.
struct SegmentWork {
  boost::json::object params;  // resolved
  SegmentPlan plan;
  std::int64_t video_bytes = 0;
  int width = 0;               // pixels, as shown
  int height = 0;              // pixels, as shown
  int threads = 0;             // of the runner; 0: one per core
  std::string video_sha256{};  // lower-case hex; empty where it is not known
  RunnerOp op = RunnerOp::infer;
  // Of the stored frames, which are source 1. To go through them in order, plan.image_count is how
  // many there are.
  std::int64_t frames_bytes = 0;
  double fps = 0;  // of the video, about
};

// How this machine's energy is told.
struct EnergySettings {
  double watts_per_core = 3.5;
  energy::GridIntensity grid;
  std::shared_ptr<const energy::GraphicsCards> cards = nullptr;  // where any may compute
};

// Has a runner work off a segment, or go through a job's frames in order, and records what comes.
// `on_frame` hears of each frame that was recorded, `video` gets the annotated video. The outcome
// has no blobs: what was recorded, and where, the caller knows. Throws runner::TaskFailed,
// runner::RunnerCrashed (also when what comes does not fit the segment), and what `read` and the
// recorder's sinks throw. Everything must outlive it.
asio::awaitable<SegmentOutcome> run_segment(runner::RunnerProcess& runner, SegmentWork work,
                                            runner::SourceReader read, ResultRecorder& recorder,
                                            EnergySettings energy, std::function<void()> on_frame,
                                            runner::VideoSink video = {});

}  // namespace infernode
