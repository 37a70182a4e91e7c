#include "jobs/job_service.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "jobs/job_dao.hpp"
#include "jobs/job_ending.hpp"
#include "jobs/segment_dao.hpp"
#include "jobs/segment_plan.hpp"
#include "jobs/worker_info.hpp"

namespace infernode {
namespace {

Error not_found() {
  return {ErrorCode::not_found, "There is no such job."};
}

JobEnd aborted() {
  return {.status = JobStatus::aborted};
}

Waiting waiting_of(const segment_dao::FirstWaiting& first) {
  if (first.paused) {
    return {WaitingFor::disk, "Workers take no work at the moment: " + *first.paused};
  }
  if (!first.offered) {
    return {WaitingFor::worker, first.needs.empty()
                                    ? std::string{"No worker is at work."}
                                    : fmt::format("No worker that is at work offers {}.",
                                                  fmt::join(first.needs, ", "))};
  }
  return {WaitingFor::retry,
          fmt::format("An attempt failed{}; the next one comes in {} s.",
                      first.error ? " (" + *first.error + ")" : "", first.seconds)};
}

}  // namespace

std::vector<std::string> needs_of(const Pipeline& pipeline, const boost::json::object& params) {
  std::vector<std::string> needs{"pipeline:" + pipeline.name()};
  for (const auto& model : pipeline.models(params)) {
    needs.push_back("model:" + model);
  }
  if (const auto device = common_params(params).device; device != "auto") {
    needs.push_back("device:" + device);
  }
  return needs;
}

// Jobs that are priced, but not accepted yet.
struct JobService::Plan {
  std::vector<NewJob> jobs;
  std::vector<NewSegments> segments;
  std::int64_t images = 0;
  Tokens cost;
};

JobService::JobService(db::Pool& database, VideoService& videos, CreditService& credits,
                       const PipelineCatalogue& pipelines, const inference::ModelCatalogue& models,
                       int max_open_jobs)
    : database_{database},
      videos_{videos},
      credits_{credits},
      pipelines_{pipelines},
      models_{models},
      max_open_jobs_{max_open_jobs} {}

asio::awaitable<Result<JobService::Plan>> JobService::plan(db::Executor& executor, UserId user,
                                                           JobRequest request, bool with_segments) {
  const auto pipeline = pipelines_.of(request.params);
  if (!pipeline) {
    co_return pipeline.error();
  }
  const auto checked = (*pipeline)->check(request.params);
  if (!checked) {
    co_return checked.error();
  }
  const auto videos = co_await videos_.frames(executor, user, request.videos, with_segments);
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
  Plan plan;
  try {
    for (const auto& video : *videos) {
      auto params = (*pipeline)->resolve(request.params, VideoFacts{video.count}, models_);
      if (!params) {
        co_return params.error();
      }
      const auto common = common_params(*params);
      NewJob job;
      job.id = JobId::random();
      job.user = user;
      job.video = video.video;
      job.image_count = count_images(common.start_frame, common.end_frame, common.frame_step);
      job.price = credits_.prices().inference_per_image;
      job.cost = job.price * job.image_count;
      if (with_segments) {
        plan.segments.push_back(
            NewSegments{job.id, needs_of(**pipeline, *params),
                        plan_segments(common.start_frame, common.end_frame, common.frame_step,
                                      video.keyframes, (*pipeline)->image_milliseconds(*params))});
        job.segment_count = static_cast<int>(plan.segments.back().segments.size());
      }
      job.params = std::move(*params);
      plan.images += job.image_count;
      plan.cost = plan.cost + job.cost;
      plan.jobs.push_back(std::move(job));
    }
  } catch (const std::overflow_error&) {
    co_return Error{ErrorCode::invalid, "This would cost more than an amount of tokens can be."};
  }
  co_return plan;
}

asio::awaitable<Result<Quote>> JobService::quote(UserId user, JobRequest request) {
  const auto planned = co_await plan(database_, user, std::move(request), false);
  if (!planned) {
    co_return planned.error();
  }
  Quote quote{planned->images, planned->cost, {}};
  quote.available = co_await credits_.balance(user);
  co_return quote;
}

asio::awaitable<Result<AcceptedJobs>> JobService::create(db::Transaction& transaction, UserId user,
                                                         JobRequest request) {
  // Three round trips for any number of jobs: what is read, what is written, and the commit.
  Tokens available;
  credits_.read_balance(transaction, user, available);
  auto planned = co_await plan(transaction, user, std::move(request), true);
  if (!planned) {
    co_return planned.error();
  }
  // Known to be too little before anything is written; what is not is found by the holds below.
  if (available < planned->cost) {
    co_return insufficient_tokens(planned->cost, available);
  }
  std::int64_t open = 0;
  std::vector<Job> added;
  std::vector<NewHold> holds;
  for (const auto& job : planned->jobs) {
    holds.push_back(
        NewHold{job.id, job.video, job.cost, std::to_string(job.image_count) + " images"});
  }
  job_dao::lock_adding(transaction, user);
  job_dao::count_open(transaction, user, open);
  job_dao::insert(transaction, user, planned->jobs, added);
  segment_dao::insert(transaction, planned->segments);
  // All jobs before any hold: everybody locks a dataset before a user.
  const auto held = co_await credits_.hold(transaction, user, std::move(holds));
  if (open + static_cast<std::int64_t>(planned->jobs.size()) > max_open_jobs_) {
    co_return Error{ErrorCode::conflict,
                    "You have " + std::to_string(open) + " jobs that wait or run, and may have " +
                        std::to_string(max_open_jobs_) + "; let some end first."};
  }
  if (!held) {
    co_return held.error();
  }
  job_dao::notify_workers(transaction);
  AcceptedJobs accepted;
  accepted.cost = planned->cost;
  for (const auto& job : planned->jobs) {
    const auto found = std::find_if(added.begin(), added.end(),
                                    [&](const Job& each) { return each.id == job.id; });
    accepted.jobs.push_back(std::move(*found));
  }
  co_return accepted;
}

asio::awaitable<Result<Job>> JobService::find(UserId user, JobId id) {
  auto job = co_await job_dao::find(database_, user, id);
  if (!job) {
    co_return not_found();
  }
  if (!has_ended(job->status)) {
    const auto first = co_await segment_dao::find_waiting(database_, id, kWorkerSilenceSeconds);
    if (first && (first->paused || !first->offered || first->seconds > 0)) {
      job->waiting = waiting_of(*first);
    }
  }
  co_return std::move(*job);
}

asio::awaitable<std::vector<Job>> JobService::list(UserId user, JobFilter filter,
                                                   PageRequest page) {
  co_return co_await job_dao::list(database_, user, filter, page.after, page.limit + 1);
}

asio::awaitable<Result<Job>> JobService::abort(UserId user, JobId id) {
  const auto job = co_await job_dao::find(database_, user, id);
  if (!job) {
    co_return not_found();
  }
  {
    auto transaction = co_await database_.begin();
    std::vector<JobId> wanted{id};
    const auto ended = co_await end_jobs(transaction, credits_, std::move(wanted), aborted());
    if (ended.empty()) {
      const auto now = co_await job_dao::find(transaction, user, id);
      co_return Error{ErrorCode::conflict, fmt::format("The job has ended already: {}.",
                                                       to_text(now ? now->status : job->status))};
    }
    co_await transaction.commit();
  }
  co_return co_await find(user, id);
}

asio::awaitable<void> JobService::abort_all(db::Transaction& transaction, DatasetId dataset) {
  auto open = co_await job_dao::list_open(transaction, dataset);
  co_await end_jobs(transaction, credits_, std::move(open), aborted());
}

asio::awaitable<std::optional<JobService::FormerIndex>> JobService::find_former_index(JobId id,
                                                                                      int frame) {
  auto found = co_await segment_dao::find_former_index(database_, id, frame);
  if (!found) {
    co_return std::nullopt;
  }
  co_return FormerIndex{std::move(found->image_index), found->base};
}

}  // namespace infernode
