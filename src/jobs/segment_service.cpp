#include "jobs/segment_service.hpp"

#include <algorithm>

#include "core/embedded.hpp"
#include "core/log.hpp"
#include "jobs/assembly_dao.hpp"
#include "jobs/job_dao.hpp"
#include "jobs/job_ending.hpp"
#include "jobs/queue_dao.hpp"
#include "jobs/segment_dao.hpp"
#include "jobs/turn_dao.hpp"
#include "jobs/worker_dao.hpp"

namespace infernode {

asio::awaitable<std::optional<ClaimedSegment>> SegmentService::claim(WorkerInfo worker) {
  for (;;) {
    const auto claim = co_await segment_dao::claim(database_, LeaseToken::random(), worker.name,
                                                   worker.offers(), lease_seconds_, hints_);
    if (!claim) {
      co_return std::nullopt;
    }
    if (!claim->segment) {
      continue;  // somebody's work had just come to its end
    }
    if (claim->pass) {
      hints_.found_turn(*claim->pass);
    }
    if (claim->urgent_since) {
      hints_.found_urgent(*claim->urgent_since);
    }
    ClaimedSegment segment{*claim->segment};
    if (!co_await add_job(segment)) {
      continue;  // the job ended meanwhile, and its segments are cancelled
    }
    if (segment.losses > kMaxLosses) {
      co_await fail_job(segment, "Workers ended unexpectedly while working on this job.");
      continue;
    }
    co_return segment;
  }
}

asio::awaitable<bool> SegmentService::add_job(ClaimedSegment& segment) {
  const auto known = jobs_.find(segment.job.value);
  if (known != jobs_.end() && segment.kind == SegmentKind::frames && !known->second.drawn) {
    static_cast<ClaimedJob&>(segment) = known->second;
    co_return true;
  }
  // Not in the claim's transaction: it would take the segment's lock before the job's. Should we
  // die in between, whoever claims the segment then does it.
  std::vector<db::Command> commands;
  commands.push_back(job_dao::mark_running(segment.job));
  commands.push_back(segment_dao::find_job(segment.job));
  const auto results = co_await database_.execute_all(std::move(commands));
  auto job = segment_dao::claimed_job_from(results[1]);
  if (!job) {
    co_return false;
  }
  static_cast<ClaimedJob&>(segment) = *job;
  if (jobs_.size() >= kRememberedJobs) {
    jobs_.clear();
  }
  jobs_.insert_or_assign(segment.job.value, std::move(*job));
  co_return true;
}

asio::awaitable<SegmentService::Tended> SegmentService::tend_queue(std::vector<std::string> offers,
                                                                   bool look_for_dead) {
  std::vector<db::Command> commands;
  commands.push_back(
      segment_dao::recover_lost(look_for_dead ? kDeadSeconds : 0, lease_seconds_, build_version()));
  commands.push_back(turn_dao::unpark_all());
  commands.push_back(turn_dao::delete_idle());
  commands.push_back(turn_dao::look(std::move(offers)));
  const auto results = co_await database_.execute_all(std::move(commands));
  const auto look = turn_dao::look_from(results.back());
  hints_ = look.hints;
  const double due = look.seconds_to_due.value_or(kTendSeconds);
  Tended tended;
  tended.retry_is_due = due <= 0;
  double next = std::min(kTendSeconds, look.seconds_to_expiry.value_or(kTendSeconds));
  if (due > 0) {
    next = std::min(next, due);
  }
  tended.next = std::chrono::duration<double>{std::max(next, 0.01)};
  co_return tended;
}

asio::awaitable<void> SegmentService::set_usual_limit(std::optional<int> limit) {
  co_await turn_dao::set_usual_limit(database_, limit);
}

std::string SegmentService::sign_of_life(WorkerId worker) {
  return worker_dao::sign_of_life(worker);
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
  transaction.queue(turn_dao::unpark(segment.user));
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
  co_await release(std::move(segment), delay_seconds, false, std::move(reason));
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
  JobEnd end{.status = JobStatus::failed, .error = reason, .refund_note = "the job failed"};
  std::vector<JobId> jobs{segment.job};
  co_await end_jobs(transaction, credits_, std::move(jobs), std::move(end));
  co_await transaction.commit();
  log::write(log::Level::warn, "the job failed: " + reason, {{"job", segment.job.to_string()}});
}

asio::awaitable<void> SegmentService::give_back(ClaimedSegment segment, int delay_seconds) {
  const bool released = co_await release(std::move(segment), delay_seconds, true, std::nullopt);
  if (released && delay_seconds == 0) {
    co_await job_dao::notify_workers(database_);
  }
}

asio::awaitable<bool> SegmentService::release(ClaimedSegment segment, int delay_seconds,
                                              bool uncounted, std::optional<std::string> error) {
  std::vector<db::Command> commands;
  commands.push_back(segment_dao::release_if_leased(segment.id, segment.lease, delay_seconds,
                                                    uncounted, std::move(error)));
  commands.push_back(turn_dao::unpark(segment.user));
  const auto results = co_await database_.execute_all(std::move(commands));
  co_return results.front().affected() == 1;
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

asio::awaitable<std::optional<media::Keyframe>> SegmentService::find_start(JobId job) {
  co_return co_await segment_dao::find_start(database_, job);
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
      .refund_note = std::to_string(segment.image_count - processed) + " images not processed"};
  // Of segments that a version before this one finished, the job has not counted the grams yet;
  // with its end it enters what the user used.
  job_dao::set_grams(transaction, segment.job, grams);
  std::vector<JobId> jobs{segment.job};
  co_await end_jobs(transaction, credits_, std::move(jobs), std::move(end));
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
