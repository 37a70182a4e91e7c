#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "blobs/blob_store.hpp"
#include "credits/credit_service.hpp"
#include "jobs/job.hpp"
#include "jobs/job_repository.hpp"

namespace infernode {

// The queue as workers see it. A claim is a lease: it ends unless renewed, and whoever lost it
// changes nothing any more. Everything it is given must outlive it.
class SegmentQueue {
public:
  static constexpr int kMaxAttempts = 3;

  SegmentQueue(JobRepository& jobs, CreditService& credits, BlobStore& blobs, int lease_seconds)
      : jobs_{jobs}, credits_{credits}, blobs_{blobs}, lease_seconds_{lease_seconds} {}

  // The next segment; nullopt when nothing can be claimed.
  asio::awaitable<std::optional<ClaimedSegment>> claim(std::string worker);
  // Heartbeat. False when the lease is lost: stop working.
  asio::awaitable<bool> renew(ClaimedSegment segment, int progress);
  // A finished segment of frames: its outputs are kept and counted. False when the lease is lost;
  // nothing is kept then.
  asio::awaitable<bool> complete(ClaimedSegment segment, SegmentOutcome outcome);

  // What the assembly found.
  struct Completion {
    int processed = 0;
    double joules = 0;
    double grams = 0;
  };
  // Ends the job with its result. `store` writes the result in the same transaction. Images that
  // were not processed are refunded. False when the lease is lost or the job has ended.
  asio::awaitable<bool> complete_job(ClaimedSegment segment, Completion completion,
                                     std::function<asio::awaitable<void>(db::Connection&)> store);
  // An attempt that failed: tried again later (after 2 s, then 8 s), or, when it was the last one
  // or another would not help (`permanent`), the job FAILS with `reason` and everything is
  // refunded.
  asio::awaitable<void> fail(ClaimedSegment segment, std::string reason, bool permanent);
  // Gives a segment back at once, as if it had never been claimed: the worker is stopping.
  asio::awaitable<void> give_back(ClaimedSegment segment);
  asio::awaitable<std::vector<FinishedSegment>> list_finished(JobId job);
  // The ZIP index of the finished segment that begins at this frame.
  asio::awaitable<std::vector<std::byte>> zip_index(JobId job, int start_frame);

private:
  asio::awaitable<void> fail_job(ClaimedSegment segment, std::string reason);

  JobRepository& jobs_;
  CreditService& credits_;
  BlobStore& blobs_;
  int lease_seconds_;
};

}  // namespace infernode
