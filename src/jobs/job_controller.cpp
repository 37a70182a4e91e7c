#include "jobs/job_controller.hpp"

#include "core/json.hpp"
#include "jobs/job_document.hpp"

namespace infernode {
namespace {

namespace json = boost::json;
using http::Request;
using http::Response;
using http::asio::awaitable;

// An id that is none is one that does not exist.
template <class IdType>
IdType id_at(const json::value& value) {
  return IdType::parse(json::value_to<std::string>(value)).value_or(IdType{});
}

Result<JobRequest> job_request(const http::Outgoing& outgoing, const json::value& body) {
  const auto& object = body.as_object();
  const auto* dataset = object.if_contains("dataset_id");
  const auto* videos = object.if_contains("video_ids");
  if ((dataset == nullptr) == (videos == nullptr)) {
    return invalid("/video_ids", "Give either dataset_id or video_ids.");
  }
  JobRequest request{DatasetId{}, object.at("params").as_object()};
  if (const auto* priority = object.if_contains("priority")) {
    request.priority = json::value_to<int>(*priority);
  }
  if (const auto* most = object.if_contains("max_cost")) {
    request.max_cost = Tokens::parse(json_text(*most));
    if (!request.max_cost) {
      return invalid("/max_cost", "An amount of tokens has three decimals at most.");
    }
  }
  if (const auto* url = object.if_contains("webhook_url")) {
    request.webhook_url = json::value_to<std::string>(*url);
    if (const auto parsed = outgoing.parse(*request.webhook_url); !parsed) {
      return invalid("/webhook_url", "webhook_url " + parsed.error().detail + ".");
    }
  }
  if (dataset != nullptr) {
    request.videos = id_at<DatasetId>(*dataset);
  } else {
    std::vector<VideoId> ids;
    for (const auto& id : videos->as_array()) {
      ids.push_back(id_at<VideoId>(id));
    }
    request.videos = std::move(ids);
  }
  return request;
}

awaitable<Result<Response>> quote_jobs(JobService& jobs, const http::Outgoing& outgoing,
                                       Request& request) {
  auto wanted = job_request(outgoing, request.body);
  if (!wanted) {
    co_return wanted.error();
  }
  const auto quote = co_await jobs.quote(request.user(), std::move(*wanted));
  if (!quote) {
    co_return quote.error();
  }
  json::object answer{{"images", quote->images},
                      {"cost", json_tokens(quote->cost)},
                      {"available", json_tokens(quote->available)},
                      {"grams", json::value_from(quote->grams)},
                      {"seconds", json::value_from(quote->seconds)}};
  co_return http::json_response(200, answer);
}

awaitable<Result<Answer>> create_jobs(JobService& jobs, const http::Outgoing& outgoing,
                                      db::Transaction& transaction, Request& request) {
  auto wanted = job_request(outgoing, request.body);
  if (!wanted) {
    co_return wanted.error();
  }
  const auto accepted = co_await jobs.create(transaction, request.user(), std::move(*wanted));
  if (!accepted) {
    co_return accepted.error();
  }
  json::array list;
  for (const auto& job : accepted->jobs) {
    list.push_back(job_json(job));
  }
  co_return json_answer(
      201, json::object{{"jobs", std::move(list)}, {"cost", json_tokens(accepted->cost)}});
}

awaitable<Result<Answer>> redraw_job(JobService& jobs, db::Transaction& transaction,
                                     Request& request) {
  auto job = co_await jobs.redraw(transaction, request.user(), request.id<JobId>(),
                                  request.body.as_object());
  if (job) {
    co_return json_answer(201, job_json(*job));
  }
  // The changes stand in the body itself.
  Error error = job.error();
  for (auto& field : error.fields) {
    if (constexpr std::string_view kParams = "/params"; field.pointer.starts_with(kParams)) {
      field.pointer.erase(0, kParams.size());
    }
  }
  co_return error;
}

awaitable<Result<Response>> list_jobs(JobService& jobs, Request& request) {
  const auto page = page_request(request.query);
  if (!page) {
    co_return page.error();
  }
  JobFilter filter;
  if (const auto* status = request.query.if_contains("status")) {
    filter.status = from_text<JobStatus>(std::string_view{status->as_string()});
  }
  if (const auto* dataset = request.query.if_contains("dataset_id")) {
    filter.dataset = id_at<DatasetId>(*dataset);
  }
  if (const auto* video = request.query.if_contains("video_id")) {
    filter.video = id_at<VideoId>(*video);
  }
  const auto rows = co_await jobs.list(request.user(), filter, *page);
  co_return http::json_text_response(200, page_of(rows, page->limit, job_json, [](const Job& job) {
                                       return Cursor{job.created_at, job.id.value};
                                     }));
}

awaitable<Result<Response>> get_job(JobService& jobs, Request& request) {
  const auto job = co_await jobs.find(request.user(), request.id<JobId>());
  if (!job) {
    co_return job.error();
  }
  co_return http::json_response(200, job_json(*job));
}

json::object segment_json(const SegmentState& segment) {
  const auto text = [](const std::optional<std::string>& value) {
    return value ? json::value(*value) : json::value(nullptr);
  };
  return {{"position", segment.position},   {"kind", to_text(segment.kind)},
          {"state", segment.state},         {"start_frame", segment.start_frame},
          {"end_frame", segment.end_frame}, {"images", segment.image_count},
          {"processed", segment.processed}, {"attempts", segment.attempts},
          {"losses", segment.losses},       {"worker", text(segment.worker)},
          {"error", text(segment.error)}};
}

awaitable<Result<Response>> inspect_job(JobService& jobs, Request& request) {
  const auto inspected = co_await jobs.inspect(request.id<JobId>());
  if (!inspected) {
    co_return inspected.error();
  }
  auto object = job_json(inspected->job);
  object.emplace("user_id", inspected->job.user.to_string());
  object.emplace("segment_count", inspected->segments.count);
  json::array segments;
  for (const auto& segment : inspected->segments.shown) {
    segments.push_back(segment_json(segment));
  }
  object.emplace("segments", std::move(segments));
  co_return http::json_response(200, object);
}

awaitable<Result<Response>> abort_jobs(JobService& jobs, Request& request) {
  JobFilter filter;
  const auto& object = request.body.as_object();
  if (const auto* status = object.if_contains("status")) {
    filter.status = from_text<JobStatus>(std::string_view{status->as_string()});
  }
  if (const auto* dataset = object.if_contains("dataset_id")) {
    filter.dataset = id_at<DatasetId>(*dataset);
  }
  if (const auto* video = object.if_contains("video_id")) {
    filter.video = id_at<VideoId>(*video);
  }
  const auto aborted = co_await jobs.abort_matching(request.user(), filter);
  co_return http::json_response(
      200, json::object{{"aborted", aborted.count}, {"refunded", json_tokens(aborted.refunded)}});
}

awaitable<Result<Response>> delete_job(JobService& jobs, Request& request) {
  const auto removed = co_await jobs.remove(request.user(), request.id<JobId>());
  if (!removed) {
    co_return removed.error();
  }
  co_return http::no_content();
}

awaitable<Result<Response>> abort_job(JobService& jobs, Request& request) {
  const auto job = co_await jobs.abort(request.user(), request.id<JobId>());
  if (!job) {
    co_return job.error();
  }
  co_return http::json_response(200, job_json(*job));
}

}  // namespace

void add_job_routes(OnceRoutes& routes, JobService& jobs, const http::Outgoing& outgoing,
                    std::function<json::object()> pipelines) {
  const auto on = [&](const char* operation, auto function) {
    routes.router().on(operation,
                       [&jobs, function](Request& request) { return function(jobs, request); });
  };
  routes.router().on("listPipelines",
                     [&jobs, list = std::move(pipelines)](Request&) -> awaitable<Result<Response>> {
                       auto devices = co_await jobs.devices();
                       auto answer = list();
                       answer.emplace("devices", json::value_from(devices));
                       co_return http::json_response(200, answer);
                     });
  routes.router().on("quoteJobs", [&jobs, &outgoing](Request& request) {
    return quote_jobs(jobs, outgoing, request);
  });
  routes.on("createJobs", [&jobs, &outgoing](db::Transaction& transaction, Request& request) {
    return create_jobs(jobs, outgoing, transaction, request);
  });
  routes.on("redrawJob", [&jobs](db::Transaction& transaction, Request& request) {
    return redraw_job(jobs, transaction, request);
  });
  on("listJobs", list_jobs);
  on("getJob", get_job);
  on("deleteJob", delete_job);
  on("inspectJob", inspect_job);
  on("abortJob", abort_job);
  on("abortJobs", abort_jobs);
}

}  // namespace infernode
