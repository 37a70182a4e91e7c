#include "jobs/job_repository.hpp"

namespace infernode {

asio::awaitable<db::Transaction> JobRepository::begin() {
  co_return co_await pool_.begin();
}

asio::awaitable<bool> JobRepository::add(db::Connection& transaction, NewJob job) {
  const JobId id = job.id;
  auto segments = job.segments;
  const bool added = co_await job_dao::insert(transaction, std::move(job));
  if (added) {
    co_await segment_dao::insert(transaction, id, std::move(segments));
  }
  co_return added;
}

asio::awaitable<void> JobRepository::notify_workers(db::Connection& transaction) {
  co_await job_dao::notify_workers(transaction);
}

asio::awaitable<std::optional<Job>> JobRepository::find(UserId user, JobId id) {
  const auto connection = co_await pool_.acquire();
  co_return co_await job_dao::find(*connection, user, id);
}

asio::awaitable<std::optional<Job>> JobRepository::find(db::Connection& transaction, UserId user,
                                                        JobId id) {
  co_return co_await job_dao::find(transaction, user, id);
}

asio::awaitable<std::vector<Job>> JobRepository::list(UserId user, JobFilter filter,
                                                      PageRequest page) {
  const auto connection = co_await pool_.acquire();
  co_return co_await job_dao::list(*connection, user, std::move(filter), page.after,
                                   page.limit + 1);
}

asio::awaitable<bool> JobRepository::owned_by(UserId user, JobId id) {
  const auto connection = co_await pool_.acquire();
  co_return co_await job_dao::owned_by(*connection, user, id);
}

asio::awaitable<std::optional<job_dao::LockedJob>> JobRepository::lock(db::Connection& transaction,
                                                                       JobId id) {
  co_return co_await job_dao::lock(transaction, id);
}

asio::awaitable<void> JobRepository::finish(db::Connection& transaction, JobId id,
                                            job_dao::Ending ending) {
  co_await segment_dao::cancel_all(transaction, id);
  co_await job_dao::finish(transaction, id, std::move(ending));
}

asio::awaitable<void> JobRepository::expire_outputs(db::Connection& transaction, JobId id) {
  co_await segment_dao::expire_outputs(transaction, id);
}

asio::awaitable<std::int64_t> JobRepository::count_open(db::Connection& transaction, UserId user) {
  co_return co_await job_dao::count_open(transaction, user);
}

asio::awaitable<std::vector<JobId>> JobRepository::list_open(db::Connection& transaction,
                                                             DatasetId dataset) {
  co_return co_await job_dao::list_open(transaction, dataset);
}

asio::awaitable<double> JobRepository::energy_joules(db::Connection& transaction, JobId id) {
  co_return co_await job_dao::energy_joules(transaction, id);
}

asio::awaitable<std::optional<ClaimedSegment>> JobRepository::claim(std::string worker,
                                                                    int lease_seconds) {
  const auto connection = co_await pool_.acquire();
  auto segment = co_await segment_dao::claim(*connection, LeaseToken::random(), std::move(worker),
                                             lease_seconds);
  if (segment) {
    // Not in the same transaction: it would take the segment's lock before the job's. Should we die
    // in between, the next claim does it.
    co_await job_dao::mark_running(*connection, segment->job);
  }
  co_return segment;
}

asio::awaitable<bool> JobRepository::renew_if_leased(ClaimedSegment segment, int lease_seconds,
                                                     int progress) {
  const auto connection = co_await pool_.acquire();
  co_return co_await segment_dao::renew_if_leased(*connection, segment.id, segment.lease,
                                                  lease_seconds, progress);
}

asio::awaitable<bool> JobRepository::release_if_leased(ClaimedSegment segment, int delay_seconds,
                                                       bool uncounted,
                                                       std::optional<std::string> error) {
  const auto connection = co_await pool_.acquire();
  const bool released = co_await segment_dao::release_if_leased(
      *connection, segment.id, segment.lease, delay_seconds, uncounted, std::move(error));
  if (released) {
    co_await job_dao::notify_workers(*connection);
  }
  co_return released;
}

asio::awaitable<bool> JobRepository::complete_if_leased(db::Connection& transaction,
                                                        ClaimedSegment segment,
                                                        SegmentOutcome outcome) {
  co_return co_await segment_dao::complete_if_leased(transaction, segment.id, segment.lease,
                                                     std::move(outcome));
}

asio::awaitable<void> JobRepository::count_finished(db::Connection& transaction, JobId job,
                                                    int processed, double joules) {
  const int left = co_await job_dao::add_progress(transaction, job, processed, joules);
  if (left == 0) {
    co_await segment_dao::unblock_assembly(transaction, job);
    co_await job_dao::notify_workers(transaction);
  }
}

asio::awaitable<std::vector<FinishedSegment>> JobRepository::list_finished(JobId job) {
  const auto connection = co_await pool_.acquire();
  co_return co_await segment_dao::list_finished(*connection, job);
}

asio::awaitable<std::optional<segment_dao::IndexPart>> JobRepository::find_index(JobId job,
                                                                                 int frame) {
  const auto connection = co_await pool_.acquire();
  co_return co_await segment_dao::find_index(*connection, job, frame);
}

}  // namespace infernode
