#include "jobs/job_service.hpp"

#include "jobs/job_params.hpp"
#include "jobs/segment_plan.hpp"

namespace infernode {
namespace {

Error not_found() {
  return {ErrorCode::not_found, "There is no such job."};
}

// Throws std::overflow_error for what nobody could pay.
Tokens total_cost(const std::vector<NewJob>& jobs) {
  Tokens total;
  for (const auto& job : jobs) {
    total = total + job.cost;
  }
  return total;
}

}  // namespace

JobService::JobService(JobRepository& jobs, VideoService& videos, CreditService& credits,
                       const std::vector<inference::Model>& models, int max_open_jobs)
    : jobs_{jobs},
      videos_{videos},
      credits_{credits},
      models_{models},
      max_open_jobs_{max_open_jobs} {}

asio::awaitable<Result<JobPlan>> JobService::plan(db::Connection& transaction, UserId user,
                                                  JobRequest request) {
  const auto videos = co_await videos_.frames(transaction, user, request.videos);
  if (!videos) {
    co_return videos.error();
  }
  if (videos->empty()) {
    co_return Error{ErrorCode::invalid, "The dataset holds no video."};
  }
  if (videos->size() > VideoService::kMaxVideos) {
    Error error{ErrorCode::invalid,
                "The dataset holds more than 1000 videos; give video_ids, 1000 at a time."};
    error.fields.push_back(FieldError{"/dataset_id", "holds more than 1000 videos"});
    co_return error;
  }
  JobPlan plan;
  for (const auto& video : *videos) {
    auto params = resolve_params(request.params, video.count, models_);
    if (!params) {
      co_return params.error();
    }
    const auto number = [&](const char* key) {
      return static_cast<int>(params->at(key).as_int64());
    };
    NewJob job;
    job.id = JobId::random();
    job.user = user;
    job.video = video.video;
    job.images = count_images(number("start_frame"), number("end_frame"), number("frame_step"));
    job.segments = plan_segments(number("start_frame"), number("end_frame"), number("frame_step"),
                                 video.keyframes);
    job.price = credits_.prices().inference_per_image;
    job.cost = job.price * job.images;
    job.params = std::move(*params);
    plan.images += job.images;
    plan.jobs.push_back(std::move(job));
  }
  try {
    plan.cost = total_cost(plan.jobs);
  } catch (const std::overflow_error&) {
    co_return Error{ErrorCode::invalid, "This would cost more than an amount of tokens can be."};
  }
  co_return plan;
}

asio::awaitable<Result<Quote>> JobService::quote(UserId user, JobRequest request) {
  const auto transaction = co_await jobs_.begin();
  const auto planned = co_await plan(*transaction, user, std::move(request));
  if (!planned) {
    co_return planned.error();
  }
  Quote quote{planned->images, planned->cost, {}};
  quote.available = co_await credits_.balance(*transaction, user);
  co_return quote;
}

asio::awaitable<Result<AcceptedJobs>> JobService::create(db::Connection& transaction, UserId user,
                                                         JobRequest request) {
  auto planned = co_await plan(transaction, user, std::move(request));
  if (!planned) {
    co_return planned.error();
  }
  // Known to be too little before anything is written; what is not is found by the holds below.
  const Tokens available = co_await credits_.balance(transaction, user);
  if (available < planned->cost) {
    co_return insufficient_tokens(planned->cost, available);
  }
  const std::int64_t open = co_await jobs_.count_open(transaction, user);
  if (open + static_cast<std::int64_t>(planned->jobs.size()) > max_open_jobs_) {
    co_return Error{ErrorCode::conflict,
                    "You have " + std::to_string(open) + " jobs that wait or run, and may have " +
                        std::to_string(max_open_jobs_) + "; let some end first."};
  }
  // All jobs before any hold: everybody locks a dataset before a user.
  for (const auto& job : planned->jobs) {
    const bool added = co_await jobs_.add(transaction, job);
    if (!added) {
      co_return Error{ErrorCode::not_found, "There is no such video."};
    }
  }
  for (const auto& job : planned->jobs) {
    const auto held = co_await credits_.hold(transaction, user, job.id, job.video, job.cost,
                                             std::to_string(job.images) + " images");
    if (!held) {
      // What counts for the user is the whole request, not the job at which the tokens ran out.
      co_return insufficient_tokens(planned->cost, held.error().available.value_or(Tokens{}));
    }
  }
  co_await jobs_.notify_workers(transaction);
  AcceptedJobs accepted;
  accepted.cost = planned->cost;
  for (const auto& job : planned->jobs) {
    auto found = co_await jobs_.find(transaction, user, job.id);
    accepted.jobs.push_back(std::move(found.value()));
  }
  co_return accepted;
}

asio::awaitable<Result<Job>> JobService::find(UserId user, JobId id) {
  auto job = co_await jobs_.find(user, id);
  if (!job) {
    co_return not_found();
  }
  co_return std::move(*job);
}

asio::awaitable<std::vector<Job>> JobService::list(UserId user, JobFilter filter,
                                                   PageRequest page) {
  co_return co_await jobs_.list(user, std::move(filter), page);
}

asio::awaitable<Result<Job>> JobService::abort(UserId user, JobId id) {
  const bool owned = co_await jobs_.owned_by(user, id);
  if (!owned) {
    co_return not_found();
  }
  {
    const auto transaction = co_await jobs_.begin();
    const auto job = co_await end_open(*transaction, id);
    if (!job) {
      co_return job.error();
    }
    co_await give_back(*transaction, *job);
    co_await transaction.commit();
  }
  co_return co_await find(user, id);
}

asio::awaitable<Result<JobService::Aborted>> JobService::end_open(db::Connection& transaction,
                                                                  JobId id) {
  const auto job = co_await jobs_.lock(transaction, id);
  if (!job) {
    co_return not_found();
  }
  if (job->status != "PENDING" && job->status != "RUNNING") {
    co_return Error{ErrorCode::conflict, "The job has ended already: " + job->status + "."};
  }
  const auto hold = co_await credits_.close_hold(transaction, id, false);
  job_dao::Ending ending;
  ending.status = "ABORTED";
  ending.joules = co_await jobs_.energy_joules(transaction, id);
  ending.cost = hold.settled;
  co_await jobs_.finish(transaction, id, std::move(ending));
  Aborted aborted{id, *job, hold};
  co_return aborted;
}

asio::awaitable<void> JobService::give_back(db::Connection& transaction, Aborted aborted) {
  const auto& job = aborted.job;
  co_await credits_.refund(transaction, aborted.hold, aborted.id, job.video,
                           std::to_string(job.images - job.done) + " images not processed");
  co_await jobs_.expire_outputs(transaction, aborted.id);
}

asio::awaitable<void> JobService::abort_all(db::Connection& transaction, DatasetId dataset) {
  const auto open = co_await jobs_.list_open(transaction, dataset);
  // All jobs before the user: somebody else may hold one of them and wait for the user.
  std::vector<Aborted> ended;
  for (const JobId id : open) {
    const auto job = co_await end_open(transaction, id);
    if (job) {  // otherwise it has just ended by itself
      ended.push_back(*job);
    }
  }
  for (const auto& job : ended) {
    co_await give_back(transaction, job);
  }
}

asio::awaitable<std::optional<segment_dao::IndexPart>> JobService::find_image_index(JobId id,
                                                                                    int frame) {
  co_return co_await jobs_.find_index(id, frame);
}

}  // namespace infernode
