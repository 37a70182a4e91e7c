#include "worker/worker.hpp"

#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstring>

#include "core/clock.hpp"
#include "core/log.hpp"
#include "energy/meter.hpp"
#include "jobs/job_params.hpp"
#include "jobs/segment_plan.hpp"
#include "results/image_index.hpp"
#include "runner/detect_task.hpp"
#include "worker/assembler.hpp"

namespace infernode {
namespace {

namespace json = boost::json;

constexpr std::chrono::seconds kPollInterval{5};
constexpr std::chrono::seconds kHeartbeatInterval{1};
constexpr std::chrono::seconds kDatabaseRetry{2};

std::vector<std::byte> bytes_of(const std::string& text) {
  std::vector<std::byte> bytes(text.size());
  std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

// What a segment stores while it is worked on.
struct Outputs {
  explicit Outputs(BlobStore& blobs) : images{blobs}, frames{blobs} {}

  BlobWriter images;
  BlobWriter frames;
  std::vector<std::byte> index;

  asio::awaitable<void> add(RunnerFrame frame) {
    if (!frame.jpeg.empty()) {
      IndexedImage image;
      image.frame = frame.frame;
      image.offset = static_cast<std::uint64_t>(images.size());
      image.size = static_cast<std::uint32_t>(frame.jpeg.size());
      image.crc32 = media::crc32_of(frame.jpeg);
      append_to_index(index, image);
      auto header = media::zip_local_header(zip_entry(image, 0));
      co_await images.write(std::move(header));
      co_await images.write(std::move(frame.jpeg));
    }
    auto text = bytes_of("," + frame.json);
    co_await frames.write(std::move(text));
  }
};

}  // namespace

// Shared by the work on a segment and its heartbeat, which may outlast it by a moment.
struct Worker::Progress {
  explicit Progress(const asio::any_io_executor& executor) : timer{executor} {}

  asio::steady_timer timer;
  int images = 0;
  bool ended = false;
  bool lease_lost = false;
};

Worker::Worker(asio::any_io_executor executor, WorkerRooms rooms, WorkerSettings settings)
    : executor_{executor}, rooms_{rooms}, settings_{std::move(settings)}, idle_{executor} {}

void Worker::wake() {
  woken_ = true;
  idle_.cancel();
}

void Worker::stop() {
  stopping_ = true;
  wake();
  if (current_.process) {
    current_.process->kill();
  }
}

asio::awaitable<void> Worker::wait_for_work() {
  try {
    prepare_spare();
  } catch (const std::exception& error) {
    log::warn("no spare runner: {}", error.what());  // the next segment starts one of its own
  }
  if (!woken_ && !stopping_) {
    boost::system::error_code ignored;
    idle_.expires_after(kPollInterval);
    co_await idle_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
}

asio::awaitable<void> Worker::run() {
  while (!stopping_) {
    std::optional<ClaimedSegment> segment;
    bool failed = false;
    try {
      woken_ = false;
      segment = co_await rooms_.queue.claim(settings_.name);
      if (segment) {
        co_await work_off(*segment);
      }
    } catch (const std::exception& error) {
      // The database is away, or something we did not foresee: the lease ends, and the segment is
      // tried again.
      log::error("worker {}: {}", settings_.name, error.what());
      failed = true;
    }
    if (failed && !stopping_) {
      boost::system::error_code ignored;
      idle_.expires_after(kDatabaseRetry);
      co_await idle_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    } else if (!segment) {
      co_await wait_for_work();
    }
  }
  current_ = Runner{};
  spare_ = Runner{};
}

void Worker::prepare_spare() {
  if (spare_.process || rooms_.models.empty() || stopping_) {
    return;
  }
  const runner::RunnerOptions options{settings_.model_folder, rooms_.models.front().name, "auto",
                                      settings_.threads};
  spare_ = Runner{std::make_unique<RunnerProcess>(executor_, options), options.model,
                  options.device, UserId{}};
}

RunnerProcess& Worker::take_runner(UserId user, const std::string& model,
                                   const std::string& device) {
  if (current_.process && current_.user == user && current_.model == model &&
      current_.device == device) {
    return *current_.process;
  }
  current_ = Runner{};
  if (spare_.process && spare_.model == model && spare_.device == device) {
    current_ = std::move(spare_);
    spare_ = Runner{};
  } else {
    const runner::RunnerOptions options{settings_.model_folder, model, device, settings_.threads};
    current_.process = std::make_unique<RunnerProcess>(executor_, options);
    current_.model = model;
    current_.device = device;
  }
  current_.user = user;
  return *current_.process;
}

asio::awaitable<void> Worker::work_off(ClaimedSegment segment) {
  const auto progress = std::make_shared<Progress>(executor_);
  asio::co_spawn(executor_, heartbeat(segment, progress), [](const std::exception_ptr&) {});
  struct End {
    Progress& progress;
    ~End() {
      progress.ended = true;
      progress.timer.cancel();
    }
  } const end{*progress};
  if (segment.kind == SegmentKind::frames) {
    co_await work_off_frames(std::move(segment), progress);
  } else {
    co_await assemble(std::move(segment));
  }
}

asio::awaitable<void> Worker::heartbeat(ClaimedSegment segment,
                                        std::shared_ptr<Progress> progress) {
  while (!progress->ended) {
    boost::system::error_code ignored;
    progress->timer.expires_after(kHeartbeatInterval);
    co_await progress->timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    if (progress->ended) {
      co_return;
    }
    try {
      const bool held = co_await rooms_.queue.renew(segment, progress->images);
      if (!held && !progress->ended) {
        progress->lease_lost = true;
        if (segment.kind == SegmentKind::frames && current_.process) {
          current_.process->kill();
        }
        co_return;
      }
    } catch (const std::exception& error) {
      log::warn("a heartbeat failed: {}", error.what());
    }
  }
}

asio::awaitable<void> Worker::work_off_frames(ClaimedSegment segment,
                                              std::shared_ptr<Progress> progress) {
  std::string failure;
  bool permanent = false;
  try {
    const auto outcome = co_await run_frames(segment, progress);
    const bool kept = co_await rooms_.queue.complete(segment, outcome);
    if (!kept) {
      for (const auto& blob : {outcome.images, outcome.frames}) {
        if (blob) {
          co_await rooms_.blobs.discard(*blob);
        }
      }
    }
    co_return;
  } catch (const TaskFailed& error) {
    failure = error.what();
    permanent = error.fault() != "internal";
  } catch (const RunnerCrashed& error) {
    failure = error.what();
  } catch (...) {
    current_ = Runner{};
    throw;
  }
  // The runner may be in the middle of something: the next segment gets a new one. What this one
  // stored expires by itself.
  current_ = Runner{};
  if (stopping_) {
    co_await rooms_.queue.give_back(segment);
  } else if (!progress->lease_lost) {
    log::warn("job {}, frames {} to {}, attempt {}: {}", segment.job.to_string(),
              segment.start_frame, segment.end_frame, segment.attempts, failure);
    co_await rooms_.queue.fail(segment, failure, permanent);
  }
}

asio::awaitable<SegmentOutcome> Worker::run_frames(ClaimedSegment segment,
                                                   std::shared_ptr<Progress> progress) {
  const auto text_at = [&](const char* key) {
    return json::value_to<std::string>(segment.params.at(key));
  };
  const auto* model = find_model(rooms_.models, text_at("model"));
  if (model == nullptr) {
    throw TaskFailed("internal", "This worker does not have the model " + text_at("model") + ".");
  }
  const auto keyframes = co_await rooms_.videos.keyframes(segment.video);
  const auto* keyframe = keyframe_before(keyframes, segment.start_frame);
  runner::DetectTask task;
  task.video_bytes = segment.file_bytes;
  task.start_frame = segment.start_frame;
  task.end_frame = segment.end_frame;
  task.frame_step = json::value_to<int>(segment.params.at("frame_step"));
  // From the beginning it is decoded as it comes, which any container can do.
  if (keyframe != nullptr && keyframe->frame > 0) {
    task.keyframe = *keyframe;
  }
  task.confidence = json::value_to<double>(segment.params.at("confidence"));
  task.classes = class_ids(segment.params, *model);
  task.images = segment.params.at("images").as_bool();
  task.image_quality = json::value_to<int>(segment.params.at("image_quality"));

  RunnerProcess& runner = take_runner(segment.user, model->name, text_at("device"));
  Outputs outputs{rooms_.blobs};
  VideoReader read = [this, file = segment.file](std::int64_t offset, std::size_t max_bytes) {
    return rooms_.blobs.read(file, offset, max_bytes);
  };
  FrameSink sink = [&outputs, progress](RunnerFrame frame) -> asio::awaitable<void> {
    co_await outputs.add(std::move(frame));
    ++progress->images;
  };
  const energy::Meter meter{settings_.watts_per_core};
  auto request = runner::detect_task_to_json(task);
  auto details = co_await runner.run(std::move(request), std::move(read), std::move(sink));
  co_await outputs.images.finish();
  co_await outputs.frames.finish();

  const auto energy = meter.read(json::value_to<double>(details.at("cpu_seconds")));
  details.emplace("energy_method", energy.method);
  details.emplace("joules", energy.joules);
  SegmentOutcome outcome;
  outcome.processed = json::value_to<int>(details.at("processed"));
  outcome.skipped = json::value_to<int>(details.at("skipped"));
  outcome.failed = json::value_to<int>(details.at("failed"));
  outcome.joules = energy.joules;
  outcome.details = std::move(details);
  outcome.images = outputs.images.id();
  outcome.images_bytes = outputs.images.size();
  outcome.frames = outputs.frames.id();
  outcome.frames_bytes = outputs.frames.size();
  outcome.zip_index = std::move(outputs.index);
  co_return outcome;
}

asio::awaitable<void> Worker::assemble(ClaimedSegment segment) {
  const auto* model =
      find_model(rooms_.models, json::value_to<std::string>(segment.params.at("model")));
  const std::string sha256 = model == nullptr ? std::string{} : model->sha256;
  const AssemblyRooms rooms{rooms_.queue, rooms_.results, rooms_.blobs};
  co_await assemble_result(rooms, std::move(segment), sha256, settings_.grid);
}

}  // namespace infernode
