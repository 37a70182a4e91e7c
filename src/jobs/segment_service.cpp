#include "jobs/segment_service.hpp"

#include "core/log.hpp"
#include "jobs/assembly_dao.hpp"
#include "jobs/job_dao.hpp"
#include "jobs/job_ending.hpp"
#include "jobs/queue_dao.hpp"
#include "jobs/segment_dao.hpp"
#include "jobs/worker_dao.hpp"

namespace infernode {

asio::awaitable<std::optional<ClaimedSegment>> SegmentService::claim(WorkerInfo worker) {
  for (;;) {
    auto segment = co_await segment_dao::claim(database_, LeaseToken::random(), worker.name,
                                               worker.offers(), lease_seconds_);
    if (segment && segment->losses > kMaxLosses) {
      co_await fail_job(*segment, "Workers ended unexpectedly while working on this job.");
      continue;
    }
    if (segment && segment->job_status == JobStatus::pending) {
      // Not in the same transaction: it would take the segment's lock before the job's. Should we
      // die in between, the next claim does it.
      std::vector<db::Command> commands;
      commands.push_back(job_dao::mark_running(segment->job));
      co_await database_.execute_all(std::move(commands));
      segment->job_status = JobStatus::running;
    }
    co_return segment;
  }
}

asio::awaitable<bool> SegmentService::renew(WorkerInfo worker, ClaimedSegment segment,
                                            int progress) {
  std::vector<db::Command> commands;
  commands.push_back(
      segment_dao::renew_if_leased(segment.id, segment.lease, lease_seconds_, progress));
  commands.push_back(worker_dao::upsert(worker, segment.id, std::nullopt));
  const auto results = co_await database_.execute_all(std::move(commands));
  co_return results.front().affected() == 1;
}

asio::awaitable<void> SegmentService::report(WorkerInfo worker, std::optional<std::string> paused) {
  std::vector<db::Command> commands;
  commands.push_back(worker_dao::upsert(worker, std::nullopt, std::move(paused)));
  co_await database_.execute_all(std::move(commands));
}

asio::awaitable<void> SegmentService::sign_off(WorkerId worker) {
  co_await worker_dao::remove(database_, worker);
}

// Two round trips: everything that decides, then everything that follows.
asio::awaitable<std::optional<Tokens>> SegmentService::complete(ClaimedSegment segment,
                                                                SegmentOutcome outcome) {
  auto transaction = co_await database_.begin();
  std::vector<db::Command> commands;
  commands.push_back(job_dao::lock_running(segment.job));
  commands.push_back(segment_dao::complete_if_leased(segment.id, segment.lease, outcome));
  const auto results = co_await transaction.execute_all(std::move(commands));
  const auto job = job_dao::running_from(results[0]);
  if (!job || results[1].affected() != 1) {
    co_return std::nullopt;
  }
  // The blobs are nobody else's yet, so their locks may come before those on hold and user.
  if (outcome.images_blob) {
    blobs_.adopt(transaction, *outcome.images_blob, outcome.images_bytes, std::nullopt);
  }
  if (outcome.frames_blob) {
    blobs_.adopt(transaction, *outcome.frames_blob, outcome.frames_bytes, std::nullopt);
  }
  job_dao::add_progress(transaction, segment.job, outcome.processed, outcome.joules, outcome.grams);
  const auto earned = job->price * outcome.processed;
  credits_.settle(transaction, segment.job, earned);
  segment_dao::unblock_assembly_if_last(transaction, segment.job);
  co_await transaction.commit();
  co_return earned;
}

asio::awaitable<void> SegmentService::fail(ClaimedSegment segment, std::string reason,
                                           bool permanent) {
  if (permanent || segment.attempts >= kMaxAttempts) {
    co_await fail_job(std::move(segment), std::move(reason));
    co_return;
  }
  const int delay_seconds = 2 * segment.attempts * segment.attempts;
  co_await segment_dao::release_if_leased(database_, segment.id, segment.lease, delay_seconds,
                                          false, std::move(reason));
}

asio::awaitable<void> SegmentService::fail_job(ClaimedSegment segment, std::string reason) {
  auto transaction = co_await database_.begin();
  std::vector<db::Command> commands;
  SegmentOutcome nothing;
  commands.push_back(job_dao::lock_running(segment.job));
  commands.push_back(segment_dao::complete_if_leased(segment.id, segment.lease, nothing));
  const auto results = co_await transaction.execute_all(std::move(commands));
  // Who lost the lease must not fail what another worker may be finishing.
  if (!job_dao::running_from(results[0]) || results[1].affected() != 1) {
    co_return;
  }
  if (segment.job_status == JobStatus::pending) {
    transaction.queue(job_dao::mark_running(segment.job));  // only what runs can fail
  }
  JobEnd end{.status = JobStatus::failed, .error = reason, .refund_note = "the job failed"};
  std::vector<JobId> jobs{segment.job};
  co_await end_jobs(transaction, credits_, std::move(jobs), std::move(end));
  co_await transaction.commit();
  log::write(log::Level::warn, "the job failed: " + reason, {{"job", segment.job.to_string()}});
}

asio::awaitable<void> SegmentService::give_back(ClaimedSegment segment, int delay_seconds) {
  const bool released = co_await segment_dao::release_if_leased(
      database_, segment.id, segment.lease, delay_seconds, true, std::nullopt);
  if (released && delay_seconds == 0) {
    co_await job_dao::notify_workers(database_);
  }
}

asio::awaitable<bool> SegmentService::hold(db::Transaction& transaction,
                                           const ClaimedSegment& segment) {
  std::vector<db::Command> commands;
  commands.push_back(segment_dao::renew_if_leased(segment.id, segment.lease, lease_seconds_, 0));
  const auto results = co_await transaction.execute_all(std::move(commands));
  co_return results.front().affected() == 1;
}

asio::awaitable<std::optional<Assembly>> SegmentService::begin_assembly(ClaimedSegment segment) {
  auto transaction = co_await database_.begin();
  // The job before the segment, as everywhere: the assembly's row refers to it.
  transaction.queue(job_dao::lock_running(segment.job));
  const bool held = co_await hold(transaction, segment);
  if (!held) {
    co_return std::nullopt;
  }
  auto found = co_await assembly_dao::find(transaction, segment.job);
  if (found) {
    // What a step wrote that did not come to its end.
    blobs_.truncate(transaction, found->directory_blob, found->directory_bytes);
    blobs_.truncate(transaction, found->index_blob, found->index_bytes);
    co_await transaction.commit();
    co_return found;
  }
  Assembly assembly;
  assembly.job = segment.job;
  assembly.images_blob = BlobId::random();
  assembly.frames_blob = BlobId::random();
  assembly.directory_blob = BlobId::random();
  assembly.index_blob = BlobId::random();
  for (const BlobId blob :
       {assembly.images_blob, assembly.frames_blob, assembly.directory_blob, assembly.index_blob}) {
    blobs_.stage(transaction, blob);
  }
  assembly_dao::insert(transaction, assembly);
  co_await transaction.commit();
  co_return assembly;
}

asio::awaitable<std::vector<FinishedSegment>> SegmentService::list_finished(JobId job, int position,
                                                                            int limit) {
  co_return co_await segment_dao::list_finished(database_, job, position, limit);
}

asio::awaitable<bool> SegmentService::advance_assembly(ClaimedSegment segment,
                                                       std::vector<FinishedSegment> segments,
                                                       Assembly before, Assembly after) {
  std::vector<BlobStore::Splice> splices;
  std::int64_t images = before.images_bytes;
  std::int64_t frames = before.frames_bytes;
  for (const auto& finished : segments) {
    const auto& outcome = finished.outcome;
    if (outcome.images_blob) {
      splices.push_back({*outcome.images_blob, after.images_blob, images});
      images += outcome.images_bytes;
    }
    if (outcome.frames_blob) {
      splices.push_back({*outcome.frames_blob, after.frames_blob, frames});
      frames += outcome.frames_bytes;
    }
  }
  auto transaction = co_await database_.begin();
  const bool held = co_await hold(transaction, segment);
  if (!held) {
    co_return false;
  }
  segment_dao::forget_outputs(transaction, segment.job, before.position, after.position);
  blobs_.splice(transaction, splices);
  assembly_dao::update(transaction, after);
  co_await transaction.commit();
  co_return true;
}

asio::awaitable<bool> SegmentService::complete_job(ClaimedSegment segment, int processed,
                                                   double grams, StoreResult store) {
  auto transaction = co_await database_.begin();
  std::vector<db::Command> commands;
  SegmentOutcome nothing;
  commands.push_back(job_dao::lock_running(segment.job));
  commands.push_back(segment_dao::complete_if_leased(segment.id, segment.lease, nothing));
  const auto results = co_await transaction.execute_all(std::move(commands));
  if (!job_dao::running_from(results[0]) || results[1].affected() != 1) {
    co_return false;
  }
  JobEnd end{
      .status = JobStatus::completed,
      .refund_note = std::to_string(segment.job_image_count - processed) + " images not processed"};
  std::vector<JobId> jobs{segment.job};
  co_await end_jobs(transaction, credits_, std::move(jobs), std::move(end));
  // Of segments that a version before this one finished, the job has not counted the grams yet.
  job_dao::set_grams(transaction, segment.job, grams);
  store(transaction);
  assembly_dao::remove(transaction, segment.job);
  co_await transaction.commit();
  co_return true;
}

asio::awaitable<std::optional<std::string>> SegmentService::find_pause() {
  co_return co_await worker_dao::find_pause(database_, kWorkerSilenceSeconds);
}

asio::awaitable<QueueState> SegmentService::look_at_queue() {
  co_return co_await queue_dao::look(database_, kWorkerSilenceSeconds);
}

asio::awaitable<std::int64_t> SegmentService::sweep_workers() {
  co_return co_await worker_dao::delete_silent(database_, 2 * kWorkerSilenceSeconds);
}

}  // namespace infernode
