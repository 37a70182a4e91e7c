#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/page.hpp"
#include "db/connection.hpp"
#include "jobs/job.hpp"

// Statements on "InferenceJobs", one a function. What a user asks for is seen through the live
// dataset and its owner only.
namespace infernode::job_dao {

namespace asio = boost::asio;

// False when the video is not there (any more).
asio::awaitable<bool> insert(db::Connection& connection, NewJob job);
asio::awaitable<std::optional<Job>> find(db::Connection& connection, UserId user, JobId id);
asio::awaitable<std::vector<Job>> list(db::Connection& connection, UserId user, JobFilter filter,
                                       std::optional<Cursor> after, int limit);

// What settling a job needs.
struct LockedJob {
  VideoId video;
  std::string status;
  int images = 0;
  int done = 0;
  Tokens price;
};
// Locks the row until the transaction ends. Every transaction takes this lock before those on the
// job's segments, its hold, its user and blobs, so that no two can wait for each other in a circle.
asio::awaitable<std::optional<LockedJob>> lock(db::Connection& connection, JobId id);
// How many jobs of a user have not ended.
asio::awaitable<std::int64_t> count_open(db::Connection& connection, UserId user);
// Ids of a dataset's jobs that have not ended, by id.
asio::awaitable<std::vector<JobId>> list_open(db::Connection& connection, DatasetId dataset);
asio::awaitable<bool> owned_by(db::Connection& connection, UserId user, JobId id);
asio::awaitable<void> mark_running(db::Connection& connection, JobId id);
// Counts a finished segment; returns how many segments of frames are left.
asio::awaitable<int> add_progress(db::Connection& connection, JobId id, int processed,
                                  double joules);
struct Ending {
  std::string status;  // "COMPLETED", "FAILED", "ABORTED"
  Tokens cost;
  double joules = 0;
  double grams = 0;
  std::optional<std::string> error{};
};
asio::awaitable<void> finish(db::Connection& connection, JobId id, Ending ending);
asio::awaitable<double> energy_joules(db::Connection& connection, JobId id);
// Wakes every worker that waits for work.
asio::awaitable<void> notify_workers(db::Connection& connection);

}  // namespace infernode::job_dao
