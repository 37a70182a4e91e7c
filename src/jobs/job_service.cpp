#include "jobs/job_service.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "jobs/job_dao.hpp"
#include "jobs/job_ending.hpp"
#include "jobs/segment_dao.hpp"
#include "jobs/segment_plan.hpp"
#include "jobs/worker_dao.hpp"
#include "jobs/worker_info.hpp"

namespace infernode {
namespace {

constexpr int kInspectedSegments = 1000;
// Decoding apart: converting a frame of ordinary size, drawing on it, and its JPEG.
constexpr double kDrawingMilliseconds = 4;

Error not_found() {
  return {ErrorCode::not_found, "There is no such job."};
}

VideoFacts facts_of(const VideoFrames& video) {
  return {video.count, video.width, video.height};
}

JobEnd aborted() {
  return {.status = JobStatus::aborted};
}

// What a worker must have, as people say it: "pipeline:NAME@2" is the pipeline NAME.
std::string words_of_need(const std::string& need) {
  const auto colon = need.find(':');
  const auto kind = need.substr(0, colon);
  const auto name = need.substr(colon + 1, need.find('@') - colon - 1);
  if (kind == "device") {
    return name == "cuda" ? "a graphics card (cuda)" : "the device " + name;
  }
  return fmt::format("the {} {}", kind, name);
}

std::string words_of_needs(const std::vector<std::string>& needs) {
  std::string words;
  for (std::size_t i = 0; i < needs.size(); ++i) {
    words += (i == 0 ? "" : i + 1 == needs.size() ? " and " : ", ") + words_of_need(needs[i]);
  }
  return words;
}

Waiting waiting_of(const segment_dao::FirstWaiting& first) {
  if (first.paused) {
    return {WaitingFor::disk, "Workers take no work at the moment: " + *first.paused};
  }
  if (!first.offered) {
    return {WaitingFor::worker,
            first.needs.empty()
                ? std::string{"No worker is at work."}
                : fmt::format("No worker that is at work has {}.", words_of_needs(first.needs))};
  }
  return {WaitingFor::retry,
          fmt::format("An attempt failed{}; the next one comes in {} s.",
                      first.error ? " (" + *first.error + ")" : "", first.seconds)};
}

// What others are served until this user has got through its own jobs before this one and has its
// turn: a segment each time that their pass comes first, but no more than they have. Segments are
// taken to be as long as this job's.
std::int64_t images_of_others_ahead(const std::vector<turn_dao::Line>& everybody, UserId user,
                                    const segment_dao::FirstWaiting& first) {
  const auto own = std::find_if(everybody.begin(), everybody.end(),
                                [user](const auto& line) { return line.user == user; });
  if (own == everybody.end()) {
    return 0;  // not in the line yet: it was looked at before
  }
  const std::int64_t images = std::max(first.images, 1);
  const std::int64_t turn = own->pass + (first.own_ahead + images - 1) / images * own->stride;
  std::int64_t ahead = 0;
  for (const auto& line : everybody) {
    if (line.user != user && line.pass < turn) {
      const std::int64_t segments = (turn - line.pass + line.stride - 1) / line.stride;
      ahead += std::min(line.images, segments * images);
    }
  }
  return ahead;
}

}  // namespace

std::vector<std::string> needs_of(const Pipeline& pipeline, const boost::json::object& params,
                                  const inference::ModelCatalogue& models) {
  std::vector<std::string> needs{offer_of(pipeline.name(), params_revision(params))};
  for (const auto& name : pipeline.models(params)) {
    const auto* model = models.find(name);
    needs.push_back("model:" + (model == nullptr ? name : inference::versioned_name(*model)));
  }
  if (const auto device = common_params(params).device; device != "auto" && !drawn_job(params)) {
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
  std::optional<std::string> webhook_url{};
};

JobService::JobService(db::Pool& database, VideoService& videos, CreditService& credits,
                       StorageQuota& storage, const PipelineCatalogue& pipelines,
                       const inference::ModelCatalogue& models, JobLimits limits, JobClear clear)
    : database_{database},
      videos_{videos},
      credits_{credits},
      storage_{storage},
      pipelines_{pipelines},
      models_{models},
      limits_{limits},
      clear_{std::move(clear)} {}

asio::awaitable<std::map<std::string, std::vector<std::string>>> JobService::model_devices() {
  return worker_dao::find_model_devices(database_, kWorkerSilenceSeconds);
}

asio::awaitable<std::vector<std::string>> JobService::devices() {
  return worker_dao::find_devices(database_, kWorkerSilenceSeconds);
}

asio::awaitable<Result<void>> JobService::check_device(db::Executor& executor,
                                                       boost::json::object params) {
  const auto device = common_params(params).device;
  if (!limits_.refuse_missing_device || device == "auto") {
    co_return Result<void>{};
  }
  const auto there = co_await worker_dao::find_devices(executor, kWorkerSilenceSeconds);
  if (std::find(there.begin(), there.end(), device) == there.end()) {
    co_return invalid_param(
        "device",
        fmt::format("no worker has it now; there is {}",
                    there.empty() ? "none at all" : fmt::format("{}", fmt::join(there, ", "))));
  }
  co_return Result<void>{};
}

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
  const auto device = co_await check_device(executor, request.params);
  if (!device) {
    co_return device.error();
  }
  Plan plan;
  try {
    for (const auto& video : *videos) {
      auto params = (*pipeline)->resolve(request.params, facts_of(video), models_);
      if (!params) {
        Error error = params.error();
        if (videos->size() > 1) {
          error.detail += fmt::format(" (Video {}.)", video.video.to_string());
        }
        co_return error;
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
            NewSegments{job.id, needs_of(**pipeline, *params, models_),
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
  Quote quote{.images = planned->images, .cost = planned->cost, .available = {}};
  quote.available = co_await credits_.balance(user);
  if (!planned->jobs.empty()) {
    const auto& params = planned->jobs.front().params;
    auto pipeline = boost::json::value_to<std::string>(params.at("pipeline"));
    auto model = boost::json::value_to<std::string>(params.at("model"));
    const auto history =
        co_await job_dao::find_history(database_, std::move(pipeline), std::move(model));
    if (history.images > 0) {
      const auto share = static_cast<double>(quote.images) / static_cast<double>(history.images);
      quote.grams = history.grams * share;
      quote.seconds = history.seconds * share;
    }
  }
  co_return quote;
}

asio::awaitable<Result<AcceptedJobs>> JobService::create(db::Transaction& transaction, UserId user,
                                                         JobRequest request) {
  // Three round trips for any number of jobs: what is read, what is written, and the commit.
  Means means;
  read_means(transaction, user, means);
  const int priority = request.priority;
  const auto max_cost = request.max_cost;
  auto webhook_url = request.webhook_url;
  auto planned = co_await plan(transaction, user, std::move(request), true);
  if (!planned) {
    co_return planned.error();
  }
  if (max_cost && *max_cost < planned->cost) {
    Error error{ErrorCode::price_changed,
                "This costs " + planned->cost.to_string() + " tokens, more than max_cost."};
    error.required = planned->cost;
    co_return error;
  }
  planned->webhook_url = std::move(webhook_url);
  co_return co_await accept(transaction, user, priority, std::move(*planned), means);
}

asio::awaitable<Result<Job>> JobService::redraw(db::Transaction& transaction, UserId user,
                                                JobId drawn, boost::json::object changes) {
  Means means;
  read_means(transaction, user, means);
  auto planned = co_await plan_again(transaction, user, drawn, std::move(changes));
  if (!planned) {
    co_return planned.error();
  }
  auto accepted = co_await accept(transaction, user, 0, std::move(*planned), means);
  if (!accepted) {
    co_return accepted.error();
  }
  co_return std::move(accepted->jobs.front());
}

asio::awaitable<Result<JobService::Plan>> JobService::plan_again(db::Executor& executor,
                                                                 UserId user, JobId drawn,
                                                                 boost::json::object changes) {
  const auto found = co_await job_dao::find(executor, user, drawn);
  if (!found) {
    co_return not_found();
  }
  if (found->status != JobStatus::completed) {
    co_return Error{
        ErrorCode::conflict,
        fmt::format("There is nothing to draw: the job's status is {}.", to_text(found->status))};
  }
  const auto pipeline = pipelines_.of(found->params.as_object());
  if (!pipeline) {
    co_return pipeline.error();
  }
  std::vector<VideoId> wanted{found->video};
  const auto videos = co_await videos_.frames(executor, user, std::move(wanted), true);
  if (!videos) {
    co_return videos.error();
  }
  auto params = (*pipeline)->resolve_again(drawn, found->params.as_object(), changes,
                                           facts_of(videos->front()), models_);
  if (!params) {
    co_return params.error();
  }
  const auto common = common_params(*params);
  NewJob job;
  job.id = JobId::random();
  job.user = user;
  job.video = found->video;
  job.image_count = count_images(common.start_frame, common.end_frame, common.frame_step);
  Plan plan;
  plan.segments.push_back(
      NewSegments{job.id, needs_of(**pipeline, *params, models_),
                  plan_segments(common.start_frame, common.end_frame, common.frame_step,
                                videos->front().keyframes, kDrawingMilliseconds)});
  job.segment_count = static_cast<int>(plan.segments.back().segments.size());
  job.params = std::move(*params);
  plan.images = job.image_count;
  plan.jobs.push_back(std::move(job));
  co_return plan;
}

void JobService::read_means(db::Transaction& transaction, UserId user, Means& means) {
  credits_.read_balance(transaction, user, means.available);
  storage_.read(transaction, user, means.usage);
}

asio::awaitable<Result<AcceptedJobs>> JobService::accept(db::Transaction& transaction, UserId user,
                                                         int priority, Plan planned, Means means) {
  const auto room = storage_.check(means.usage);
  if (!room) {
    co_return room.error();
  }
  // Known to be too little before anything is written; what is not is found by the holds below.
  if (means.available < planned.cost) {
    co_return insufficient_tokens(planned.cost, means.available);
  }
  job_dao::OpenJobs open;
  std::vector<Job> added;
  std::vector<NewHold> holds;
  for (const auto& job : planned.jobs) {
    holds.push_back(
        NewHold{job.id, job.video, job.cost, std::to_string(job.image_count) + " images"});
  }
  job_dao::lock_adding(transaction, user);
  job_dao::count_open(transaction, user, open);
  job_dao::insert(transaction, user, priority, planned.webhook_url, planned.jobs, added);
  segment_dao::insert(transaction, user, priority, limits_.running_segments, planned.segments);
  // All jobs before any hold: everybody locks a dataset before a user.
  const auto held = co_await credits_.hold(transaction, user, std::move(holds));
  const int most = open.most.value_or(limits_.open_jobs);
  if (open.count + static_cast<std::int64_t>(planned.jobs.size()) > most) {
    co_return Error{
        ErrorCode::conflict,
        fmt::format("You have {} jobs that wait or run, and may have {}; let some end first.",
                    open.count, most)};
  }
  if (!held) {
    co_return held.error();
  }
  job_dao::notify_workers(transaction);
  AcceptedJobs accepted;
  accepted.cost = planned.cost;
  for (const auto& job : planned.jobs) {
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
    job->waiting = co_await find_waiting(user, id);
  }
  co_return std::move(*job);
}

asio::awaitable<std::optional<Job>> JobService::find_any(JobId id) {
  co_return co_await job_dao::find_any(database_, id);
}

asio::awaitable<Result<JobService::InspectedJob>> JobService::inspect(JobId id) {
  auto job = co_await job_dao::find_any(database_, id);
  if (!job) {
    co_return not_found();
  }
  if (!has_ended(job->status)) {
    job->waiting = co_await find_waiting(job->user, id);
  }
  auto segments = co_await segment_dao::list_states(database_, id, kInspectedSegments);
  co_return InspectedJob{std::move(*job), std::move(segments)};
}

asio::awaitable<std::optional<Waiting>> JobService::find_waiting(UserId user, JobId id) {
  const auto first = co_await segment_dao::find_waiting(database_, id, kWorkerSilenceSeconds);
  if (!first) {
    co_return std::nullopt;
  }
  if (first->paused || !first->offered || first->seconds > 0) {
    co_return waiting_of(*first);
  }
  if (first->urgent) {
    co_return std::nullopt;  // next
  }
  const auto everybody = co_await line();
  const auto ahead = first->own_ahead + images_of_others_ahead(*everybody, user, *first);
  if (first->running_limit) {
    co_return Waiting{
        WaitingFor::limit,
        fmt::format("You have {} parts of jobs under way, as many as you may have at a "
                    "time.",
                    *first->running_limit),
        ahead};
  }
  if (ahead == 0) {
    co_return std::nullopt;
  }
  co_return Waiting{WaitingFor::turn,
                    first->own_ahead == 0
                        ? fmt::format("About {} images of others go first.", ahead)
                    : first->own_ahead == ahead
                        ? fmt::format("{} images of your other jobs go first.", ahead)
                        : fmt::format("About {} images go first, {} of them of your other jobs.",
                                      ahead, first->own_ahead),
                    ahead};
}

asio::awaitable<std::shared_ptr<const std::vector<turn_dao::Line>>> JobService::line() {
  const auto now = std::chrono::steady_clock::now();
  if (!line_ || now - line_seen_ > std::chrono::seconds{1}) {
    auto lines = co_await turn_dao::list(database_);
    line_ = std::make_shared<const std::vector<turn_dao::Line>>(std::move(lines));
    line_seen_ = now;
  }
  co_return line_;
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
    if (ended.jobs.empty()) {
      const auto now = co_await job_dao::find(transaction, user, id);
      co_return Error{ErrorCode::conflict, fmt::format("The job has ended already: {}.",
                                                       to_text(now ? now->status : job->status))};
    }
    co_await transaction.commit();
  }
  co_return co_await find(user, id);
}

asio::awaitable<Result<void>> JobService::remove(UserId user, JobId id) {
  const auto job = co_await job_dao::find(database_, user, id);
  if (!job) {
    co_return not_found();
  }
  if (!has_ended(job->status)) {
    co_return Error{ErrorCode::conflict,
                    "The job has not ended; abort it or wait for its end, then delete it."};
  }
  const Error being_drawn{ErrorCode::conflict,
                          "A job that draws it again has not ended; abort it or wait for its end."};
  const bool drawn = co_await job_dao::is_being_drawn(database_, user, id);
  if (drawn) {
    co_return being_drawn;
  }
  co_await clear_(id);
  const bool removed = co_await job_dao::remove_ended(database_, user, id);
  if (removed) {
    co_return Result<void>{};
  }
  const auto left = co_await job_dao::find(database_, user, id);
  if (!left) {
    co_return not_found();
  }
  co_return being_drawn;
}

asio::awaitable<JobService::AbortedJobs> JobService::abort_matching(UserId user, JobFilter filter) {
  auto transaction = co_await database_.begin();
  auto open = co_await job_dao::lock_matching(transaction, user, filter);
  const auto ended = co_await end_jobs(transaction, credits_, std::move(open), aborted());
  co_await transaction.commit();
  co_return AbortedJobs{static_cast<std::int64_t>(ended.jobs.size()), ended.refunded};
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
