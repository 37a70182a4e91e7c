#include "jobs/job_service.hpp"

#include "jobs/job_params.hpp"
#include "jobs/segment_plan.hpp"

namespace infernode {
namespace {

constexpr int kListPage = 200;

Error not_found() {
  return {ErrorCode::not_found, "There is no such job."};
}

Tokens total_cost(const std::vector<NewJob>& jobs) {
  Tokens total;
  for (const auto& job : jobs) {
    total = total + job.cost;
  }
  return total;
}

}  // namespace

JobService::JobService(JobRepository& jobs, VideoService& videos, CreditService& credits,
                       const std::vector<inference::Model>& models)
    : jobs_{jobs}, videos_{videos}, credits_{credits}, models_{models} {}

asio::awaitable<Result<std::vector<NewJob>>> JobService::plan(UserId user, JobRequest request) {
  std::vector<Video> videos;
  if (const auto* dataset = std::get_if<DatasetId>(&request.videos)) {
    PageRequest page{kListPage, std::nullopt};
    for (bool more = true; more;) {
      auto rows = co_await videos_.list(user, *dataset, page);
      if (!rows) {
        co_return rows.error();
      }
      more = static_cast<int>(rows->size()) > kListPage;
      if (more) {
        rows->pop_back();
        page.after = Cursor{rows->back().created_at, rows->back().id.value};
      }
      videos.insert(videos.end(), rows->begin(), rows->end());
    }
    if (videos.empty()) {
      co_return Error{ErrorCode::invalid, "The dataset holds no video."};
    }
  } else {
    const auto ids = std::get<std::vector<VideoId>>(request.videos);
    for (const VideoId id : ids) {
      auto video = co_await videos_.find(user, id);
      if (!video) {
        co_return video.error();
      }
      videos.push_back(std::move(*video));
    }
  }
  std::vector<NewJob> jobs;
  for (const auto& video : videos) {
    auto params = resolve_params(request.params, video.frame_count, models_);
    if (!params) {
      co_return params.error();
    }
    const auto keyframes = co_await videos_.keyframes(video.id);
    const auto number = [&](const char* key) {
      return static_cast<int>(params->at(key).as_int64());
    };
    NewJob job;
    job.id = JobId::random();
    job.user = user;
    job.video = video.id;
    job.images = count_images(number("start_frame"), number("end_frame"), number("frame_step"));
    job.segments =
        plan_segments(number("start_frame"), number("end_frame"), number("frame_step"), keyframes);
    job.price = credits_.prices().inference_per_image;
    job.cost = job.price * job.images;
    job.params = std::move(*params);
    jobs.push_back(std::move(job));
  }
  co_return jobs;
}

asio::awaitable<Result<Quote>> JobService::quote(UserId user, JobRequest request) {
  const auto jobs = co_await plan(user, std::move(request));
  if (!jobs) {
    co_return jobs.error();
  }
  Quote quote;
  for (const auto& job : *jobs) {
    quote.images += job.images;
  }
  quote.cost = total_cost(*jobs);
  quote.available = co_await credits_.balance(user);
  co_return quote;
}

asio::awaitable<Result<AcceptedJobs>> JobService::create(UserId user, JobRequest request) {
  auto planned = co_await plan(user, std::move(request));
  if (!planned) {
    co_return planned.error();
  }
  AcceptedJobs accepted;
  accepted.cost = total_cost(*planned);
  std::vector<JobId> ids;
  {
    const auto transaction = co_await jobs_.begin();
    const Tokens available = co_await credits_.balance(*transaction, user);
    for (auto& job : *planned) {
      ids.push_back(job.id);
      LedgerChange change{.user = user,
                          .kind = "job",
                          .amount = job.cost,
                          .job = job.id,
                          .video = job.video,
                          .note = std::to_string(job.images) + " images"};
      auto charged = co_await credits_.charge(*transaction, std::move(change));
      if (!charged) {
        // What counts for the user is the whole request, not the job at which the tokens ran out.
        Error error = charged.error();
        error.detail = "This costs " + accepted.cost.to_string() + " tokens and " +
                       available.to_string() + " are available.";
        error.required = accepted.cost;
        error.available = available;
        co_return error;
      }
      const bool added = co_await jobs_.add(*transaction, std::move(job));
      if (!added) {
        co_return Error{ErrorCode::not_found, "There is no such video."};
      }
    }
    co_await jobs_.notify_workers(*transaction);
    // Read before the commit: an answer that failed after it would invite a second, paid attempt.
    for (const JobId id : ids) {
      auto job = co_await jobs_.find(*transaction, user, id);
      accepted.jobs.push_back(std::move(job.value()));
    }
    co_await transaction.commit();
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
    const auto job = co_await jobs_.lock(*transaction, id);
    if (!job) {
      co_return not_found();
    }
    if (job->status != "PENDING" && job->status != "RUNNING") {
      co_return Error{ErrorCode::conflict, "The job has ended already: " + job->status + "."};
    }
    job_dao::Ending ending;
    ending.status = "ABORTED";
    ending.cost = job->price * job->done;
    ending.joules = co_await jobs_.energy_joules(*transaction, id);
    co_await jobs_.finish_without_result(*transaction, id, std::move(ending));
    LedgerChange change{.user = user,
                        .kind = "refund",
                        .amount = job->price * (job->images - job->done),
                        .job = id,
                        .video = job->video,
                        .note = std::to_string(job->images - job->done) + " images not processed"};
    co_await credits_.refund(*transaction, std::move(change));
    co_await transaction.commit();
  }
  co_return co_await find(user, id);
}

asio::awaitable<std::optional<segment_dao::IndexPart>> JobService::find_image_index(JobId id,
                                                                                    int frame) {
  co_return co_await jobs_.find_index(id, frame);
}

}  // namespace infernode
