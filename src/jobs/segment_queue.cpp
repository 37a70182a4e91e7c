#include "jobs/segment_queue.hpp"

#include "core/log.hpp"

namespace infernode {

asio::awaitable<std::optional<ClaimedSegment>> SegmentQueue::claim(std::string worker) {
  for (;;) {
    auto segment = co_await jobs_.claim(worker, lease_seconds_);
    if (!segment || segment->attempts <= kMaxAttempts) {
      co_return segment;
    }
    // Nobody ever came back from the attempts before: the workers themselves died.
    co_await fail_job(*segment, "Workers ended unexpectedly while working on this job.");
  }
}

asio::awaitable<bool> SegmentQueue::renew(ClaimedSegment segment, int progress) {
  co_return co_await jobs_.renew_if_leased(std::move(segment), lease_seconds_, progress);
}

asio::awaitable<bool> SegmentQueue::complete(ClaimedSegment segment, SegmentOutcome outcome) {
  const auto transaction = co_await jobs_.begin();
  const auto job = co_await jobs_.lock(*transaction, segment.job);
  if (!job || job->status != "RUNNING") {
    co_return false;
  }
  const int processed = outcome.processed;
  const double joules = outcome.joules;
  const auto images = outcome.images;
  const auto images_bytes = outcome.images_bytes;
  const auto frames = outcome.frames;
  const auto frames_bytes = outcome.frames_bytes;
  const JobId id = segment.job;
  const bool held =
      co_await jobs_.complete_if_leased(*transaction, std::move(segment), std::move(outcome));
  if (!held) {
    co_return false;
  }
  co_await jobs_.count_finished(*transaction, id, processed, joules);
  co_await credits_.settle(*transaction, id, job->price * processed);
  if (images) {
    co_await blobs_.adopt(*transaction, *images, images_bytes, std::nullopt);
  }
  if (frames) {
    co_await blobs_.adopt(*transaction, *frames, frames_bytes, std::nullopt);
  }
  co_await transaction.commit();
  co_return true;
}

asio::awaitable<bool> SegmentQueue::complete_job(
    ClaimedSegment segment, Completion completion,
    std::function<asio::awaitable<void>(db::Connection&)> store) {
  const auto transaction = co_await jobs_.begin();
  const auto job = co_await jobs_.lock(*transaction, segment.job);
  if (!job || job->status != "RUNNING") {
    co_return false;
  }
  SegmentOutcome nothing;  // named: GCC 12 destroys a temporary aggregate here twice
  const bool held = co_await jobs_.complete_if_leased(*transaction, segment, std::move(nothing));
  if (!held) {
    co_return false;
  }
  const auto hold = co_await credits_.close_hold(*transaction, segment.job, false);
  job_dao::Ending ending;
  ending.status = "COMPLETED";
  ending.cost = hold.settled;
  ending.joules = completion.joules;
  ending.grams = completion.grams;
  co_await jobs_.finish(*transaction, segment.job, std::move(ending));
  const int unprocessed = job->images - completion.processed;
  co_await credits_.refund(*transaction, hold, segment.job, job->video,
                           std::to_string(unprocessed) + " images not processed");
  co_await store(*transaction);
  co_await transaction.commit();
  co_return true;
}

asio::awaitable<void> SegmentQueue::fail(ClaimedSegment segment, std::string reason,
                                         bool permanent) {
  if (permanent || segment.attempts >= kMaxAttempts) {
    co_await fail_job(std::move(segment), std::move(reason));
    co_return;
  }
  const int delay_seconds = 2 * segment.attempts * segment.attempts;
  co_await jobs_.release_if_leased(std::move(segment), delay_seconds, false, std::move(reason));
}

asio::awaitable<void> SegmentQueue::fail_job(ClaimedSegment segment, std::string reason) {
  const auto transaction = co_await jobs_.begin();
  const auto job = co_await jobs_.lock(*transaction, segment.job);
  if (!job || job->status != "RUNNING") {
    co_return;
  }
  // Who lost the lease must not fail what another worker may be finishing.
  SegmentOutcome nothing;  // named: GCC 12 destroys a temporary aggregate here twice
  const bool held = co_await jobs_.complete_if_leased(*transaction, segment, std::move(nothing));
  if (!held) {
    co_return;
  }
  const auto hold = co_await credits_.close_hold(*transaction, segment.job, true);
  job_dao::Ending ending;
  ending.status = "FAILED";
  ending.cost = hold.settled;
  ending.joules = co_await jobs_.energy_joules(*transaction, segment.job);
  ending.error = reason;
  co_await jobs_.finish(*transaction, segment.job, std::move(ending));
  co_await credits_.refund(*transaction, hold, segment.job, job->video, "the job failed");
  co_await jobs_.expire_outputs(*transaction, segment.job);
  co_await transaction.commit();
  log::warn("job {} failed: {}", segment.job.to_string(), reason);
}

asio::awaitable<void> SegmentQueue::give_back(ClaimedSegment segment) {
  co_await jobs_.release_if_leased(std::move(segment), 0, true, std::nullopt);
}

asio::awaitable<std::vector<FinishedSegment>> SegmentQueue::list_finished(JobId job) {
  co_return co_await jobs_.list_finished(job);
}

asio::awaitable<std::vector<std::byte>> SegmentQueue::zip_index(JobId job, int start_frame) {
  auto part = co_await jobs_.find_index(job, start_frame);
  co_return part ? std::move(part->zip_index) : std::vector<std::byte>{};
}

}  // namespace infernode
