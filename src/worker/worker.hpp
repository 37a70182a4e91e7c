#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "blobs/blob_store.hpp"
#include "inference/model_catalogue.hpp"
#include "jobs/segment_service.hpp"
#include "pipelines/pipeline.hpp"
#include "results/assembler.hpp"
#include "runner/host/runner_process.hpp"
#include "worker/segment_run.hpp"

namespace infernode {

struct WorkerSettings {
  WorkerInfo info;
  int threads = 0;  // inference threads; 0: one per core
  EnergySettings energy;
};

// Everything a worker works with; all of it must outlive the worker.
struct WorkerServices {
  SegmentService& segments;
  Assembler& assembler;
  BlobStore& blobs;
  const PipelineCatalogue& pipelines;
  const inference::ModelCatalogue& models;
};

// Claims one segment after the other and works it off in a runner. A runner serves one user only;
// one more, like the one used last, waits with its models loaded, so that a new user's first frame
// need not wait for that.
//
// What the task or its runner did wrong costs the segment an attempt. What the machines do (the
// database away, its disk full, this process ended) costs none: the segment is given back, or its
// lease ends.
class Worker {
public:
  Worker(asio::any_io_executor executor, WorkerServices services, WorkerSettings settings);

  // Works until stop(). Looks for work when woken, and every 5 s in case a wake-up was lost.
  asio::awaitable<void> run();
  void wake();
  // What it can do now.
  std::vector<std::string> offers() const { return info().offers(); }
  WorkerId id() const { return settings_.info.id; }
  // Gives back the segment under way and makes run() return.
  void stop();

private:
  struct Lease;
  struct Runner {
    std::shared_ptr<runner::RunnerProcess> process;
    runner::RunnerOptions options;
    UserId user{};
  };

  // One claim and what follows; false when there was nothing to do.
  asio::awaitable<bool> work_once();
  asio::awaitable<void> work_off(ClaimedSegment segment);
  asio::awaitable<void> work_off_frames(ClaimedSegment segment, std::shared_ptr<Lease> lease);
  asio::awaitable<SegmentOutcome> record_frames(ClaimedSegment segment,
                                                std::shared_ptr<Lease> lease);
  // Has the runner do the work, and stores what it brings.
  asio::awaitable<SegmentOutcome> record(std::shared_ptr<runner::RunnerProcess> runner,
                                         SegmentWork work, runner::SourceReader read,
                                         std::function<void()> on_frame);
  asio::awaitable<void> assemble(ClaimedSegment segment, std::shared_ptr<Lease> lease);
  // See RunSequence.
  asio::awaitable<SegmentOutcome> go_through(ClaimedSegment segment, StoredFrames frames,
                                             std::shared_ptr<Lease> lease);
  std::shared_ptr<runner::RunnerProcess> take_any_runner(const ClaimedSegment& segment);
  runner::SourceReader reader(BlobId video, BlobId frames);
  asio::awaitable<void> complete(ClaimedSegment segment, SegmentOutcome outcome,
                                 std::shared_ptr<Lease> lease);
  void count(const ClaimedSegment& segment, const SegmentOutcome& outcome, Tokens earned);
  asio::awaitable<void> renew(ClaimedSegment segment, std::shared_ptr<Lease> lease);
  asio::awaitable<void> rest(std::chrono::steady_clock::duration time);
  // The runner for a user's segment: the one of the segment before, the spare one, or a new one.
  std::shared_ptr<runner::RunnerProcess> take_runner(UserId user, runner::RunnerOptions options);
  void prepare_spare();
  runner::RunnerOptions usual_options() const;
  // Who it is, with the models whose files are here.
  WorkerInfo info() const;

  asio::any_io_executor executor_;
  WorkerServices services_;
  WorkerSettings settings_;
  inference::ModelCatalogue models_;  // as they were when the segment was claimed
  asio::steady_timer idle_;
  bool woken_ = false;
  bool stopping_ = false;
  Runner current_;
  Runner spare_;
  std::optional<runner::RunnerOptions> last_options_;
};

}  // namespace infernode
