#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <vector>

#include "core/page.hpp"
#include "db/pool.hpp"
#include "jobs/job.hpp"

// Statements on "InferenceJobs", one a function. What a user asks for is seen through the live
// dataset and its owner only.
namespace infernode::job_dao {

namespace asio = boost::asio;

// Adds jobs of one user; `added`, which must live until the transaction's next round trip, gets
// them then, in no order. Those whose video is not the user's are left out.
void insert(db::Transaction& transaction, UserId user, int priority,
            const std::optional<std::string>& webhook_url, const std::vector<NewJob>& jobs,
            std::vector<Job>& added);
// Keeps other requests of the user from adding jobs until the transaction ends.
void lock_adding(db::Transaction& transaction, UserId user);
// How many jobs of a user have not ended, and how many may at a time if the user has a limit of its
// own; `open` gets it with the next round trip.
struct OpenJobs {
  std::int64_t count = 0;
  std::optional<int> most;
};
void count_open(db::Transaction& transaction, UserId user, OpenJobs& open);
asio::awaitable<std::optional<Job>> find(db::Executor& executor, UserId user, JobId id);
// Of anybody, in whatever dataset.
asio::awaitable<std::optional<Job>> find_any(db::Executor& executor, JobId id);
asio::awaitable<std::vector<Job>> list(db::Executor& executor, UserId user, JobFilter filter,
                                       std::optional<Cursor> after, int limit);
// What the last completed jobs of a pipeline and model took, all together; of all users'.
struct JobHistory {
  std::int64_t images = 0;
  double grams = 0;    // of CO2e
  double seconds = 0;  // from start to end
};
asio::awaitable<JobHistory> find_history(db::Executor& executor, std::string pipeline,
                                         std::string model);
// Deletes a job that has ended, with its result, unless one that draws it again has not; whether it
// did.
asio::awaitable<bool> remove_ended(db::Executor& executor, UserId user, JobId id);
// Whether a job of the user's that draws it again has not ended.
asio::awaitable<bool> is_being_drawn(db::Executor& executor, UserId user, JobId id);
// Ids of a user's jobs that have not ended and match, locked until the transaction ends.
asio::awaitable<std::vector<JobId>> lock_matching(db::Transaction& transaction, UserId user,
                                                  JobFilter filter);
// Ids of a dataset's jobs that have not ended.
asio::awaitable<std::vector<JobId>> list_open(db::Executor& executor, DatasetId dataset);

// What a finished segment needs of its job; nothing when the job has ended.
struct RunningJob {
  Tokens price;
};
// Locks the row until the transaction ends. Every transaction takes this lock before those on the
// job's segments, its hold, its user and blobs, so that no two can wait for each other in a circle.
db::Command lock_running(JobId id);
std::optional<RunningJob> running_from(const db::Rows& rows);
// Locks those that have not ended, by id.
struct OpenJob {
  JobId id;
  UserId user;
  VideoId video;
  int image_count = 0;
  int done = 0;
};
asio::awaitable<std::vector<OpenJob>> lock_open(db::Transaction& transaction,
                                                std::vector<JobId> ids);
db::Command mark_running(JobId id);
// Counts a finished segment of frames.
void add_progress(db::Transaction& transaction, JobId id, int processed, double joules,
                  double grams);
void set_grams(db::Transaction& transaction, JobId id, double grams);
// Ends jobs; what they cost is given for each.
struct Ending {
  JobId id;
  Tokens cost;
};
void finish(db::Transaction& transaction, const std::vector<Ending>& endings, JobStatus status,
            std::optional<std::string> error);
// Wakes every worker that waits for work.
void notify_workers(db::Transaction& transaction);
asio::awaitable<void> notify_workers(db::Executor& executor);

// Up to `limit` jobs that failed or were aborted and whose segments and outputs are still there.
asio::awaitable<std::vector<JobId>> list_unfreed(db::Executor& executor, int limit);
asio::awaitable<void> mark_freed(db::Executor& executor, JobId id);
// Up to `limit` jobs that ended `keep_seconds` ago and have not been cleared away.
struct UnclearedJob {
  JobId id;
  bool images_by_segments = false;  // its images are still found through its segments
};
asio::awaitable<std::vector<UnclearedJob>> list_uncleared(db::Executor& executor, int keep_seconds,
                                                          int limit);
asio::awaitable<void> mark_cleared(db::Executor& executor, JobId id);
// Ended jobs of a video that have segments which nothing needs, up to `limit`.
asio::awaitable<std::vector<JobId>> list_with_segments(db::Executor& executor, VideoId video,
                                                       int limit);

}  // namespace infernode::job_dao
