#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/json.hpp>
#include <optional>
#include <variant>
#include <vector>

#include "core/error.hpp"
#include "core/page.hpp"
#include "credits/credit_service.hpp"
#include "inference/model_catalogue.hpp"
#include "jobs/job.hpp"
#include "jobs/job_repository.hpp"
#include "videos/video_service.hpp"

namespace infernode {

// What a user asks for: one job for each of these videos.
struct JobRequest {
  std::variant<DatasetId, std::vector<VideoId>> videos;
  boost::json::object params;  // checked against their schema
};

struct Quote {
  std::int64_t images = 0;
  Tokens cost;
  Tokens available;
};

// Jobs that are priced, but not accepted yet.
struct JobPlan {
  std::vector<NewJob> jobs;
  std::int64_t images = 0;
  Tokens cost;
};

struct AcceptedJobs {
  std::vector<Job> jobs;
  Tokens cost;
};

// A user's jobs. What is somebody else's, or in a deleted dataset, is not_found. Everything it is
// given must outlive it.
class JobService {
public:
  JobService(JobRepository& jobs, VideoService& videos, CreditService& credits,
             const std::vector<inference::Model>& models, int max_open_jobs);

  const std::vector<inference::Model>& models() const { return models_; }
  asio::awaitable<Result<Quote>> quote(UserId user, JobRequest request);
  // In the caller's transaction: puts the price on hold and queues the jobs, all or none. conflict
  // when the user would have more than `max_open_jobs` that have not ended.
  asio::awaitable<Result<AcceptedJobs>> create(db::Connection& transaction, UserId user,
                                               JobRequest request);
  asio::awaitable<Result<Job>> find(UserId user, JobId id);
  asio::awaitable<std::vector<Job>> list(UserId user, JobFilter filter, PageRequest page);
  // Ends a job that has not ended; images not processed are refunded. conflict once it has ended.
  asio::awaitable<Result<Job>> abort(UserId user, JobId id);
  // In the caller's transaction: aborts every job of a dataset that has not ended.
  asio::awaitable<void> abort_all(db::Connection& transaction, DatasetId dataset);
  // Where a frame's image lies in the job's ZIP.
  asio::awaitable<std::optional<segment_dao::IndexPart>> find_image_index(JobId id, int frame);

private:
  asio::awaitable<Result<JobPlan>> plan(db::Connection& transaction, UserId user,
                                        JobRequest request);
  struct Aborted {
    JobId id;
    job_dao::LockedJob job;
    ClosedHold hold;
  };
  // The two halves of an abort: the first locks and ends the job, the second gives back its tokens
  // and what it stored.
  asio::awaitable<Result<Aborted>> end_open(db::Connection& transaction, JobId id);
  asio::awaitable<void> give_back(db::Connection& transaction, Aborted aborted);

  JobRepository& jobs_;
  VideoService& videos_;
  CreditService& credits_;
  const std::vector<inference::Model>& models_;
  int max_open_jobs_;
};

}  // namespace infernode
