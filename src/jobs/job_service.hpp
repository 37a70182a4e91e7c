#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/json.hpp>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/error.hpp"
#include "core/page.hpp"
#include "credits/credit_service.hpp"
#include "db/pool.hpp"
#include "jobs/job.hpp"
#include "jobs/segment.hpp"
#include "pipelines/pipeline.hpp"
#include "videos/video_service.hpp"

namespace infernode {

// What a user asks for: one job for each of these videos.
struct JobRequest {
  std::variant<DatasetId, std::vector<VideoId>> videos;
  boost::json::object params;  // unchecked
};

struct Quote {
  std::int64_t images = 0;
  Tokens cost;
  Tokens available;
};

struct AcceptedJobs {
  std::vector<Job> jobs;
  Tokens cost;
};

// What a worker must offer for a job with these resolved params: first the pipeline, which the
// assembly needs too, then its models, and its device unless any will do. See WorkerInfo::offers().
std::vector<std::string> needs_of(const Pipeline& pipeline, const boost::json::object& params);

// A user's jobs. What is somebody else's, or in a deleted dataset, is not_found. Everything it is
// given must outlive it.
class JobService {
public:
  JobService(db::Pool& database, VideoService& videos, CreditService& credits,
             const PipelineCatalogue& pipelines, const inference::ModelCatalogue& models,
             int max_open_jobs);

  asio::awaitable<Result<Quote>> quote(UserId user, JobRequest request);
  // In the caller's transaction: puts the price on hold and queues the jobs, all or none. conflict
  // when the user would have more than `max_open_jobs` that have not ended.
  asio::awaitable<Result<AcceptedJobs>> create(db::Transaction& transaction, UserId user,
                                               JobRequest request);
  // With what it waits for.
  asio::awaitable<Result<Job>> find(UserId user, JobId id);
  asio::awaitable<std::vector<Job>> list(UserId user, JobFilter filter, PageRequest page);
  // Ends a job that has not ended; images not processed are refunded. conflict once it has ended.
  asio::awaitable<Result<Job>> abort(UserId user, JobId id);
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
  asio::awaitable<Result<Plan>> plan(db::Executor& executor, UserId user, JobRequest request,
                                     bool with_segments);

  db::Pool& database_;
  VideoService& videos_;
  CreditService& credits_;
  const PipelineCatalogue& pipelines_;
  const inference::ModelCatalogue& models_;
  int max_open_jobs_;
};

}  // namespace infernode
