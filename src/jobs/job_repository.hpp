#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <vector>

#include "core/page.hpp"
#include "db/pool.hpp"
#include "jobs/job.hpp"
#include "jobs/job_dao.hpp"
#include "jobs/segment_dao.hpp"

namespace infernode {

namespace asio = boost::asio;

// Jobs with their segments. Methods that take a transaction join the caller's; their order of locks
// is dataset and video, job, segments, hold, user, blobs.
class JobRepository {
public:
  explicit JobRepository(db::Pool& pool) : pool_{pool} {}

  asio::awaitable<db::Transaction> begin();

  // Adds the job and its segments; false when the video is not there (any more).
  asio::awaitable<bool> add(db::Connection& transaction, NewJob job);
  asio::awaitable<void> notify_workers(db::Connection& transaction);
  asio::awaitable<std::optional<Job>> find(UserId user, JobId id);
  asio::awaitable<std::optional<Job>> find(db::Connection& transaction, UserId user, JobId id);
  // One job more than the page holds, when there are more.
  asio::awaitable<std::vector<Job>> list(UserId user, JobFilter filter, PageRequest page);
  asio::awaitable<bool> owned_by(UserId user, JobId id);
  asio::awaitable<std::optional<job_dao::LockedJob>> lock(db::Connection& transaction, JobId id);
  // Ends the job, and with it every segment that is not done.
  asio::awaitable<void> finish(db::Connection& transaction, JobId id, job_dao::Ending ending);
  // What the segments of a job without a result stored is given up.
  asio::awaitable<void> expire_outputs(db::Connection& transaction, JobId id);
  // How many jobs of a user have not ended.
  asio::awaitable<std::int64_t> count_open(db::Connection& transaction, UserId user);
  // Those of a dataset that have not ended, in an order that is the same for everybody.
  asio::awaitable<std::vector<JobId>> list_open(db::Connection& transaction, DatasetId dataset);
  asio::awaitable<double> energy_joules(db::Connection& transaction, JobId id);

  asio::awaitable<std::optional<ClaimedSegment>> claim(std::string worker, int lease_seconds);
  asio::awaitable<bool> renew_if_leased(ClaimedSegment segment, int lease_seconds, int progress);
  asio::awaitable<bool> release_if_leased(ClaimedSegment segment, int delay_seconds, bool uncounted,
                                          std::optional<std::string> error);
  asio::awaitable<bool> complete_if_leased(db::Connection& transaction, ClaimedSegment segment,
                                           SegmentOutcome outcome);
  // Counts a finished segment of frames; the last one makes the assembly claimable.
  asio::awaitable<void> count_finished(db::Connection& transaction, JobId job, int processed,
                                       double joules);
  asio::awaitable<std::vector<FinishedSegment>> list_finished(JobId job);
  asio::awaitable<std::optional<segment_dao::IndexPart>> find_index(JobId job, int frame);

private:
  db::Pool& pool_;
};

}  // namespace infernode
