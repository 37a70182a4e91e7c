#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <string>
#include <vector>

#include "blobs/blob_store.hpp"
#include "energy/grid.hpp"
#include "inference/model_catalogue.hpp"
#include "jobs/segment_queue.hpp"
#include "results/result_service.hpp"
#include "videos/video_service.hpp"
#include "worker/runner_process.hpp"

namespace infernode {

struct WorkerSettings {
  std::string name;  // "host:pid:1"
  std::string model_folder;
  int threads = 0;  // inference threads; 0: one per core
  double watts_per_core = 3.5;
  energy::GridIntensity grid;
};

// Everything a worker works with; all of it must outlive the worker.
struct WorkerRooms {
  SegmentQueue& queue;
  VideoService& videos;
  ResultService& results;
  BlobStore& blobs;
  const std::vector<inference::Model>& models;
};

// Claims one segment after the other and works it off in a runner. A runner serves one user only;
// one more waits with its model loaded, so that a new user's first frame need not wait for that.
class Worker {
public:
  Worker(asio::any_io_executor executor, WorkerRooms rooms, WorkerSettings settings);

  // Works until stop(). Looks for work when woken, and every 5 s in case a wake-up was lost.
  asio::awaitable<void> run();
  void wake();
  // Gives back the segment under way and makes run() return.
  void stop();

private:
  struct Progress;

  asio::awaitable<void> wait_for_work();
  asio::awaitable<void> work_off(ClaimedSegment segment);
  asio::awaitable<void> work_off_frames(ClaimedSegment segment, std::shared_ptr<Progress> progress);
  asio::awaitable<SegmentOutcome> run_frames(ClaimedSegment segment,
                                             std::shared_ptr<Progress> progress);
  asio::awaitable<void> heartbeat(ClaimedSegment segment, std::shared_ptr<Progress> progress);
  asio::awaitable<void> assemble(ClaimedSegment segment);
  // The runner for a user's segment: the one of the segment before, the spare one, or a new one.
  RunnerProcess& take_runner(UserId user, const std::string& model, const std::string& device);
  void prepare_spare();

  struct Runner {
    std::unique_ptr<RunnerProcess> process;
    std::string model;
    std::string device;
    UserId user{};
  };

  asio::any_io_executor executor_;
  WorkerRooms rooms_;
  WorkerSettings settings_;
  asio::steady_timer idle_;
  bool woken_ = false;
  bool stopping_ = false;
  Runner current_;
  Runner spare_;
};

}  // namespace infernode
