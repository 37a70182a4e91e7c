#include "worker/worker.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>
#include <cstring>
#include <string_view>

#include "core/log.hpp"
#include "media/video_head.hpp"
#include "results/result_recorder.hpp"

namespace infernode {
namespace {

constexpr std::chrono::seconds kPollInterval{5};
constexpr std::chrono::seconds kHeartbeatInterval{1};
constexpr std::chrono::seconds kDatabaseRetry{1};
// What people are told of a fault that is not in their video.
constexpr const char* kInternalFault = "An internal fault; the server's log names it.";
constexpr int kInfrastructureDelaySeconds = 1;  // before a segment given back can be claimed

// By its first box (ISO/IEC 14496-12, 4.3).
bool is_mp4(const std::vector<std::byte>& head) {
  constexpr std::string_view kFirstBox = "ftyp";
  return head.size() >= media::kVideoHeadBytes &&
         std::memcmp(head.data() + 4, kFirstBox.data(), kFirstBox.size()) == 0;
}

// A staged blob as a sink of the recorder.
class BlobSink : public ByteSink {
public:
  explicit BlobSink(BlobStore& blobs) : writer_{blobs} {}
  asio::awaitable<void> write(std::vector<std::byte> bytes) override {
    co_await writer_.write(std::move(bytes));
  }
  asio::awaitable<std::optional<BlobId>> finish() {
    co_await writer_.finish();
    co_return writer_.id();
  }
  std::int64_t size() const { return writer_.size(); }

private:
  BlobWriter writer_;
};

}  // namespace

// Shared by the work on a segment and its heartbeat, which may outlast it by a moment.
struct Worker::Lease {
  explicit Lease(const asio::any_io_executor& executor) : timer{executor} {}

  asio::steady_timer timer;
  int images = 0;
  bool ended = false;
  bool lost = false;
  std::shared_ptr<runner::RunnerProcess> runner;  // works on this segment, while it does
};

Worker::Worker(asio::any_io_executor executor, WorkerServices services, WorkerSettings settings)
    : executor_{executor}, services_{services}, settings_{std::move(settings)}, idle_{executor} {}

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

asio::awaitable<void> Worker::rest(std::chrono::steady_clock::duration time) {
  if (!woken_ && !stopping_) {
    boost::system::error_code ignored;
    idle_.expires_after(time);
    co_await idle_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
}

asio::awaitable<void> Worker::run() {
  while (!stopping_) {
    bool worked = false;
    bool failed = false;
    woken_ = false;
    try {
      worked = co_await work_once();
    } catch (const std::exception& error) {
      log::error("worker {}: {}", settings_.info.name, error.what());
      failed = true;
    }
    if (failed) {
      co_await rest(kDatabaseRetry);
    } else if (!worked) {
      try {
        prepare_spare();
      } catch (const std::exception& error) {
        log::warn("no spare runner: {}", error.what());  // the next segment starts one of its own
      }
      co_await rest(kPollInterval);
    }
  }
  current_ = Runner{};
  spare_ = Runner{};
  try {
    co_await services_.segments.sign_off(settings_.info.id);
  } catch (const std::exception& error) {
    log::debug("worker {}: {}", settings_.info.name, error.what());
  }
}

asio::awaitable<bool> Worker::work_once() {
  if (const auto& full = services_.blobs.disk_full()) {
    // Nothing that is worked off could be kept; the disk's service says when there is room again.
    co_await services_.segments.report(info(), *full);
    co_return false;
  }
  models_ = services_.models;
  auto segment = co_await services_.segments.claim(info());
  if (!segment) {
    co_await services_.segments.report(info(), std::nullopt);
    co_return false;
  }
  if (stopping_) {
    co_await services_.segments.give_back(*segment, 0);
    co_return true;
  }
  co_await work_off(std::move(*segment));
  co_return true;
}

WorkerInfo Worker::info() const {
  WorkerInfo info = settings_.info;
  info.models.clear();
  for (const auto& model : services_.models.models()) {
    if (!model.file.empty()) {
      info.models.push_back(inference::versioned_name(model));
    }
  }
  return info;
}

runner::RunnerOptions Worker::usual_options() const {
  // Unless its model was removed since.
  const bool still_there =
      last_options_ && std::all_of(last_options_->model_files.begin(),
                                   last_options_->model_files.end(), [&](const std::string& file) {
                                     const auto& models = services_.models.models();
                                     return std::any_of(models.begin(), models.end(),
                                                        [&](const inference::Model& model) {
                                                          return model.file == file;
                                                        });
                                   });
  if (still_there) {
    return *last_options_;
  }
  // Nobody has asked for anything yet: the first default model that there is.
  runner::RunnerOptions options{{}, "auto", settings_.threads};
  for (const auto& pipeline : services_.pipelines.all()) {
    if (const auto* model = services_.models.default_of(pipeline->name());
        model != nullptr && !model->file.empty()) {
      options.add_model(model->file.string(), model->file_bytes);
      break;
    }
  }
  return options;
}

void Worker::prepare_spare() {
  if (stopping_ || (spare_.process && spare_.process->usable())) {
    return;
  }
  auto options = usual_options();
  auto process = std::make_shared<runner::RunnerProcess>(executor_, options);
  spare_ = Runner{std::move(process), std::move(options), UserId{}};
}

std::shared_ptr<runner::RunnerProcess> Worker::take_runner(UserId user,
                                                           runner::RunnerOptions options) {
  last_options_ = options;
  if (current_.process && current_.process->usable() && current_.user == user &&
      current_.options == options) {
    return current_.process;
  }
  current_ = Runner{};
  if (spare_.process && spare_.process->usable() && spare_.options == options) {
    current_ = std::exchange(spare_, Runner{});
  } else {
    current_.process = std::make_shared<runner::RunnerProcess>(executor_, options);
    current_.options = std::move(options);
  }
  current_.user = user;
  return current_.process;
}

asio::awaitable<void> Worker::work_off(ClaimedSegment segment) {
  const auto lease = std::make_shared<Lease>(executor_);
  // renew() throws nothing.
  asio::co_spawn(executor_, renew(segment, lease), [](const std::exception_ptr&) {});
  struct End {
    Lease& lease;
    ~End() {
      lease.ended = true;
      lease.runner.reset();
      lease.timer.cancel();
    }
  } const end{*lease};
  std::exception_ptr failure;
  std::string fault;
  try {
    if (segment.kind == SegmentKind::frames) {
      co_await work_off_frames(segment, lease);
    } else {
      co_await assemble(segment, lease);
    }
    co_return;
  } catch (const Unavailable&) {
    failure = std::current_exception();
  } catch (const std::system_error&) {
    failure = std::current_exception();
  } catch (const boost::system::system_error&) {
    failure = std::current_exception();
  } catch (const std::exception& error) {
    failure = std::current_exception();
    fault = error.what();
  }
  current_ = Runner{};
  if (!lease->lost) {
    try {
      if (fault.empty()) {
        // The machines failed, not the segment.
        co_await services_.segments.give_back(segment, kInfrastructureDelaySeconds);
      } else {
        // Stored bytes that are damaged, say: tried again, but not for ever.
        co_await services_.segments.fail(segment, kInternalFault, false);
      }
    } catch (const std::exception& error) {
      // Then its lease ends.
      log::warn("worker {}: a segment could not be given back: {}", settings_.info.name,
                error.what());
    }
  }
  std::rethrow_exception(failure);
}

asio::awaitable<void> Worker::assemble(ClaimedSegment segment, std::shared_ptr<Lease> lease) {
  const auto* model = segment.params.if_contains("model");
  const auto* known =
      model == nullptr ? nullptr : models_.find(std::string_view{model->as_string()});
  FormerSegments former{settings_.energy.grid, known == nullptr ? "" : known->sha256};
  std::function<bool()> stopping = [this, lease] { return stopping_ || lease->lost; };
  RunSequence run_sequence = [this, lease](ClaimedSegment all, StoredFrames frames) {
    return go_through(std::move(all), frames, lease);
  };
  bool done = false;
  try {
    done = co_await services_.assembler.run(segment, std::move(former), std::move(stopping),
                                            std::move(run_sequence));
  } catch (const runner::RunnerCrashed&) {
    if (!stopping_ && !lease->lost) {
      throw;
    }
  }
  lease->runner.reset();
  if (!done && stopping_) {
    co_await services_.segments.give_back(segment, 0);
  }
}

// A runner of the user's, whatever it has loaded: no model is needed.
std::shared_ptr<runner::RunnerProcess> Worker::take_any_runner(const ClaimedSegment& segment) {
  if (current_.process && current_.process->usable() && current_.user == segment.user) {
    return current_.process;
  }
  return take_runner(segment.user,
                     spare_.process && spare_.process->usable() ? spare_.options : usual_options());
}

// The video as source 0, stored frames as source 1.
runner::SourceReader Worker::reader(BlobId video, BlobId frames) {
  return [this, video, frames](std::uint32_t source, std::int64_t offset, std::size_t max_bytes) {
    return services_.blobs.read(source == 0 ? video : frames, offset, max_bytes);
  };
}

asio::awaitable<SegmentOutcome> Worker::go_through(ClaimedSegment segment, StoredFrames frames,
                                                   std::shared_ptr<Lease> lease) {
  const auto common = common_params(segment.params);
  SegmentPlan plan{common.start_frame, common.end_frame, frames.count, std::nullopt};
  plan.keyframe = co_await services_.segments.find_start(segment.job);
  SegmentWork work{segment.params,      plan,
                   segment.file_bytes,  segment.width,
                   segment.height,      settings_.threads,
                   segment.file_sha256, RunnerOp::in_order,
                   frames.bytes,        segment.fps};
  if (stopping_ || lease->lost) {
    throw runner::RunnerCrashed("not begun");  // nobody would end it
  }
  auto runner = take_any_runner(segment);
  lease->runner = runner;
  auto read = reader(segment.file, frames.blob);
  std::function<void()> on_frame = [] {};
  co_return co_await record(runner, std::move(work), std::move(read), std::move(on_frame));
}

asio::awaitable<void> Worker::renew(ClaimedSegment segment, std::shared_ptr<Lease> lease) {
  while (!lease->ended) {
    boost::system::error_code ignored;
    lease->timer.expires_after(kHeartbeatInterval);
    co_await lease->timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    if (lease->ended) {
      co_return;
    }
    try {
      const bool held = co_await services_.segments.renew(info(), segment, lease->images);
      if (!held && !lease->ended) {
        lease->lost = true;
        // Only the runner that works on this very segment, and only while it does.
        if (lease->runner) {
          lease->runner->kill();
        }
        co_return;
      }
    } catch (const std::exception& error) {
      log::warn("a heartbeat failed: {}", error.what());
    }
  }
}

asio::awaitable<void> Worker::work_off_frames(ClaimedSegment segment,
                                              std::shared_ptr<Lease> lease) {
  std::string failure;
  std::string told;  // to the user: no paths of this machine, no texts of libraries
  bool permanent = false;
  try {
    auto outcome = co_await record_frames(segment, lease);
    lease->runner.reset();
    co_await complete(segment, std::move(outcome), lease);
    co_return;
  } catch (const runner::TaskFailed& error) {
    failure = error.what();
    permanent = error.fault() != runner::Fault::internal;
    told = permanent ? failure : kInternalFault;
  } catch (const runner::RunnerCrashed& error) {
    failure = error.what();
    told = failure;
  }
  // The runner may be in the middle of something: the next segment gets a new one. What this one
  // stored expires by itself.
  lease->runner.reset();
  current_ = Runner{};
  if (stopping_) {
    co_await services_.segments.give_back(segment, 0);
  } else if (!lease->lost) {
    log::write(log::Level::warn,
               fmt::format("frames {} to {}, attempt {}: {}", segment.plan.start_frame,
                           segment.plan.end_frame, segment.attempts, failure),
               {{"job", segment.job.to_string()}});
    if (!permanent && segment.attempts < SegmentService::kMaxAttempts) {
      ++settings_.info.totals.retries;
    }
    co_await services_.segments.fail(segment, std::move(told), permanent);
  }
}

asio::awaitable<SegmentOutcome> Worker::record_frames(ClaimedSegment segment,
                                                      std::shared_ptr<Lease> lease) {
  const auto pipeline = services_.pipelines.of(segment.params);
  if (!pipeline) {
    throw runner::TaskFailed(runner::Fault::internal, pipeline.error().detail);
  }
  SegmentWork work{segment.params, segment.plan,      segment.file_bytes, segment.width,
                   segment.height, settings_.threads, segment.file_sha256};
  std::shared_ptr<runner::RunnerProcess> runner;
  if (drawn_job(segment.params)) {
    if (!segment.drawn) {
      throw runner::TaskFailed(runner::Fault::unsupported,
                               "The job that it draws again was deleted.");
    }
    work.op = RunnerOp::redraw;
    work.frames_bytes = segment.drawn->frames_bytes;
    runner = take_any_runner(segment);
  } else {
    runner::RunnerOptions options{{}, common_params(segment.params).device, settings_.threads};
    for (const auto& name : (*pipeline)->models(segment.params)) {
      const auto* model = models_.find(name);
      if (model == nullptr) {
        throw runner::RunnerNotStarted("this worker has the model " + name + " no more");
      }
      options.add_model(model->file.string(), model->file_bytes);
    }
    runner = take_runner(segment.user, std::move(options));
  }
  lease->runner = runner;
  auto read = reader(segment.file, segment.drawn ? segment.drawn->frames : BlobId{});
  std::function<void()> on_frame = [lease] { ++lease->images; };
  co_return co_await record(runner, std::move(work), std::move(read), std::move(on_frame));
}

asio::awaitable<SegmentOutcome> Worker::record(std::shared_ptr<runner::RunnerProcess> runner,
                                               SegmentWork work, runner::SourceReader read,
                                               std::function<void()> on_frame) {
  BlobSink images{services_.blobs};
  BlobSink frames{services_.blobs};
  BlobSink video{services_.blobs};
  std::vector<std::byte> video_head;
  ResultRecorder recorder{images, frames};
  runner::VideoSink on_video;
  const bool asked_for_video =
      work.op == RunnerOp::in_order && common_params(work.params).wants_video;
  if (asked_for_video) {
    on_video = [&](runner::VideoPart part, std::vector<std::byte> bytes) -> asio::awaitable<void> {
      if (part == runner::VideoPart::head) {
        video_head = std::move(bytes);
      } else {
        co_await video.write(std::move(bytes));
      }
    };
  }
  auto outcome = co_await run_segment(*runner, std::move(work), std::move(read), recorder,
                                      settings_.energy, std::move(on_frame), std::move(on_video));
  outcome.video_head = std::move(video_head);
  outcome.video_blob = co_await video.finish();
  outcome.video_bytes = video.size();
  if (outcome.video_blob ? !is_mp4(outcome.video_head) : asked_for_video && outcome.processed > 0) {
    throw runner::RunnerCrashed("the runner sent a video that is none");
  }
  outcome.images_blob = co_await images.finish();
  outcome.frames_blob = co_await frames.finish();
  co_return outcome;
}

void Worker::count(const ClaimedSegment& segment, const SegmentOutcome& outcome, Tokens earned) {
  auto& totals = settings_.info.totals;
  const auto* model = drawn_job(segment.params) ? nullptr : segment.params.if_contains("model");
  totals.images[model == nullptr ? "" : std::string{model->as_string()}] += outcome.processed;
  ++totals.segments;
  totals.joules += outcome.joules;
  totals.settled = totals.settled + earned;
}

// Finished work is not thrown away because the database is away for a moment: as long as the lease
// may still hold, it is tried again.
asio::awaitable<void> Worker::complete(ClaimedSegment segment, SegmentOutcome outcome,
                                       std::shared_ptr<Lease> lease) {
  for (;;) {
    try {
      const auto earned = co_await services_.segments.complete(segment, outcome);
      if (earned) {
        count(segment, outcome, *earned);
      } else {
        // Adopted blobs, of a commit whose answer was lost, are left alone by this.
        for (const auto& blob : {outcome.images_blob, outcome.frames_blob}) {
          if (blob) {
            co_await services_.blobs.discard(*blob);
          }
        }
      }
      co_return;
    } catch (const BlobExpired&) {
      throw;  // what was stored is gone: the segment has to be worked off again
    } catch (const Unavailable& error) {
      if (lease->lost || stopping_) {
        throw;
      }
      log::warn("a finished segment could not be stored yet: {}", error.what());
    }
    asio::steady_timer timer{executor_, kDatabaseRetry};
    co_await timer.async_wait(asio::use_awaitable);
    try {
      for (const auto& blob : {outcome.images_blob, outcome.frames_blob}) {
        if (blob) {
          co_await services_.blobs.keep(*blob);
        }
      }
    } catch (const Unavailable& error) {
      log::debug("worker {}: {}", settings_.info.name, error.what());
    }
  }
}

}  // namespace infernode
