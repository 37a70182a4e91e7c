#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/json.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "blobs/storage_quota.hpp"
#include "core/error.hpp"
#include "core/page.hpp"
#include "credits/credit_service.hpp"
#include "db/pool.hpp"
#include "jobs/job.hpp"
#include "jobs/segment.hpp"
#include "jobs/segment_dao.hpp"
#include "jobs/turn_dao.hpp"
#include "pipelines/pipeline.hpp"
#include "videos/video_service.hpp"

namespace infernode {

// What a user asks for: one job for each of these videos.
struct JobRequest {
  std::variant<DatasetId, std::vector<VideoId>> videos;
  boost::json::object params;  // unchecked
  int priority = 0;            // -10 to 10, among the user's own jobs; the highest first
  std::optional<Tokens> max_cost{};
  std::optional<std::string> webhook_url{};  // is called when a job ends
};

// Of one user, unless it has limits of its own.
struct JobLimits {
  int open_jobs = 10'000;                 // that wait or run
  std::optional<int> running_segments{};  // none: any number
  // A job that names a device which no worker has is refused instead of waiting for one.
  bool refuse_missing_device = false;
};

struct Quote {
  std::int64_t images = 0;
  Tokens cost;
  Tokens available;
  // As the last jobs of the pipeline and model had an image; none when there was none.
  std::optional<double> grams{};    // of CO2e
  std::optional<double> seconds{};  // of work, one job after the other
};

struct AcceptedJobs {
  std::vector<Job> jobs;
  Tokens cost;
};

// What a worker must offer for a job with these resolved params: first the pipeline, which the
// assembly needs too, then its models, and its device unless any will do. See WorkerInfo::offers().
std::vector<std::string> needs_of(const Pipeline& pipeline, const boost::json::object& params,
                                  const inference::ModelCatalogue& models);

// Clears away what an ended job left besides its result, a piece at a time.
using JobClear = std::function<asio::awaitable<void>(JobId job)>;

// A user's jobs. What is somebody else's, or in a deleted dataset, is not_found. Everything it is
// given must outlive it.
class JobService {
public:
  JobService(db::Pool& database, VideoService& videos, CreditService& credits,
             StorageQuota& storage, const PipelineCatalogue& pipelines,
             const inference::ModelCatalogue& models, JobLimits limits, JobClear clear);

  // What workers can compute on now: "cpu", "cuda".
  asio::awaitable<std::vector<std::string>> devices();
  // The same for each model, by inference::versioned_name(), of workers that have it.
  asio::awaitable<std::map<std::string, std::vector<std::string>>> model_devices();
  asio::awaitable<Result<Quote>> quote(UserId user, JobRequest request);
  // In the caller's transaction: puts the price on hold and queues the jobs, all or none. conflict
  // when the user would have more that have not ended than it may; price_changed above `max_cost`;
  // quota_exceeded when there is no room for a result.
  asio::awaitable<Result<AcceptedJobs>> create(db::Transaction& transaction, UserId user,
                                               JobRequest request);
  // In the caller's transaction: queues a job of price 0 that draws again what a completed one of
  // the user's found, with `changes` to its params. conflict until that one is COMPLETED, and as
  // create(); `invalid`, naming the key, for changes that need inference.
  asio::awaitable<Result<Job>> redraw(db::Transaction& transaction, UserId user, JobId drawn,
                                      boost::json::object changes);
  // With what it waits for.
  asio::awaitable<Result<Job>> find(UserId user, JobId id);
  // Anybody's, for what the program does by itself.
  asio::awaitable<std::optional<Job>> find_any(JobId id);
  // For administrators: anybody's job, with its segments.
  struct InspectedJob {
    Job job;
    segment_dao::SegmentStates segments;
  };
  asio::awaitable<Result<InspectedJob>> inspect(JobId id);
  asio::awaitable<std::vector<Job>> list(UserId user, JobFilter filter, PageRequest page);
  // Ends a job that has not ended; images not processed are refunded. conflict once it has ended.
  asio::awaitable<Result<Job>> abort(UserId user, JobId id);
  // Deletes an ended job with its result. conflict before its end.
  asio::awaitable<Result<void>> remove(UserId user, JobId id);
  // All of a user's that have not ended and match, together.
  struct AbortedJobs {
    std::int64_t count = 0;
    Tokens refunded;
  };
  asio::awaitable<AbortedJobs> abort_matching(UserId user, JobFilter filter);
  // In the caller's transaction: aborts every job of a dataset that has not ended.
  asio::awaitable<void> abort_all(db::Transaction& transaction, DatasetId dataset);
  // Where a frame's image lies in the ZIP of a result made before there was an index.
  struct FormerIndex {
    std::vector<std::byte> image_index;
    std::int64_t base = 0;  // bytes of images before
  };
  asio::awaitable<std::optional<FormerIndex>> find_former_index(JobId id, int frame);

private:
  struct Plan;
  // `invalid` where the params name a device that is missing, and such jobs are refused.
  asio::awaitable<Result<void>> check_device(db::Executor& executor, boost::json::object params);
  asio::awaitable<Result<Plan>> plan(db::Executor& executor, UserId user, JobRequest request,
                                     bool with_segments);
  asio::awaitable<Result<Plan>> plan_again(db::Executor& executor, UserId user, JobId drawn,
                                           boost::json::object changes);
  // What decides whether more jobs of a user are accepted.
  struct Means {
    Tokens available;
    storage_dao::Usage usage;
  };
  // `means`, which must live until then, gets it with the transaction's next round trip.
  void read_means(db::Transaction& transaction, UserId user, Means& means);
  asio::awaitable<Result<AcceptedJobs>> accept(db::Transaction& transaction, UserId user,
                                               int priority, Plan planned, Means means);

  db::Pool& database_;
  VideoService& videos_;
  CreditService& credits_;
  StorageQuota& storage_;
  const PipelineCatalogue& pipelines_;
  const inference::ModelCatalogue& models_;
  // What keeps a job that is not being worked on; nullopt when nothing does.
  asio::awaitable<std::optional<Waiting>> find_waiting(UserId user, JobId id);
  // Everybody in the line, as of less than a second ago.
  asio::awaitable<std::shared_ptr<const std::vector<turn_dao::Line>>> line();

  JobLimits limits_;
  JobClear clear_;
  std::shared_ptr<const std::vector<turn_dao::Line>> line_;
  std::chrono::steady_clock::time_point line_seen_{};
};

}  // namespace infernode
