#include "jobs/job_clearing.hpp"

#include "jobs/assembly_dao.hpp"
#include "jobs/job_dao.hpp"
#include "jobs/segment_dao.hpp"

namespace infernode {
namespace {

constexpr int kJobBatch = 50;
constexpr int kSegmentBatch = 1000;  // some tens of milliseconds

}  // namespace

asio::awaitable<void> JobClearing::free_outputs_of(JobId job) {
  while (co_await segment_dao::cancel_some(database_, job, kSegmentBatch) == kSegmentBatch) {
  }
  for (;;) {
    auto transaction = co_await database_.begin();
    const auto blobs = co_await segment_dao::take_outputs(transaction, job, kSegmentBatch);
    if (blobs.empty()) {
      break;
    }
    blobs_.expire(transaction, blobs);
    co_await transaction.commit();
  }
  co_await assembly_dao::remove(database_, job);
  co_await job_dao::mark_freed(database_, job);
}

asio::awaitable<void> JobClearing::clear(JobId job) {
  co_await free_outputs_of(job);
  co_await delete_segments_of(job);
}

asio::awaitable<int> JobClearing::free_outputs() {
  int total = 0;
  for (;;) {
    const auto jobs = co_await job_dao::list_unfreed(database_, kJobBatch);
    for (const JobId job : jobs) {
      co_await free_outputs_of(job);
      ++total;
    }
    if (static_cast<int>(jobs.size()) < kJobBatch) {
      co_return total;
    }
  }
}

asio::awaitable<std::int64_t> JobClearing::delete_segments_of(JobId job) {
  std::int64_t total = 0;
  for (;;) {
    const int deleted = co_await segment_dao::delete_some(database_, job, kSegmentBatch);
    total += deleted;
    if (deleted < kSegmentBatch) {
      co_return total;
    }
  }
}

asio::awaitable<std::int64_t> JobClearing::delete_segments() {
  std::int64_t total = 0;
  for (;;) {
    const auto jobs = co_await job_dao::list_uncleared(database_, keep_seconds_, kJobBatch);
    for (const auto& job : jobs) {
      if (!job.images_by_segments) {
        total += co_await delete_segments_of(job.id);
      }
      co_await job_dao::mark_cleared(database_, job.id);
    }
    if (static_cast<int>(jobs.size()) < kJobBatch) {
      co_return total;
    }
  }
}

asio::awaitable<void> JobClearing::delete_segments_of(VideoId video) {
  for (;;) {
    const auto jobs = co_await job_dao::list_with_segments(database_, video, kJobBatch);
    for (const JobId job : jobs) {
      co_await delete_segments_of(job);
    }
    if (static_cast<int>(jobs.size()) < kJobBatch) {
      co_return;
    }
  }
}

}  // namespace infernode
