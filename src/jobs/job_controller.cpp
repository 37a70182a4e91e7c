#include "jobs/job_controller.hpp"

#include "core/json.hpp"
#include "http/idempotency.hpp"

namespace infernode {
namespace {

namespace json = boost::json;
using http::Request;
using http::Response;
using http::asio::awaitable;

json::object job_json(const Job& job) {
  json::object object{{"id", job.id.to_string()},
                      {"dataset_id", job.dataset.to_string()},
                      {"video_id", job.video.to_string()},
                      {"status", job.status},
                      {"params", job.params},
                      {"progress", json::object{{"done", job.done}, {"total", job.images}}},
                      {"cost", json_tokens(job.cost)},
                      {"carbon_footprint", job.carbon_footprint},
                      {"energy_joules", job.energy_joules},
                      {"carbon_grams", job.carbon_grams}};
  if (job.error) {
    object.emplace("error", *job.error);
  }
  object.emplace("attempt", job.attempt);
  object.emplace("created_at", rfc3339(job.created_at));
  object.emplace("updated_at", rfc3339(job.updated_at));
  if (job.started_at) {
    object.emplace("started_at", rfc3339(*job.started_at));
  }
  if (job.finished_at) {
    object.emplace("finished_at", rfc3339(*job.finished_at));
  }
  return object;
}

JobId job_of(const Request& request) {
  return JobId::parse(request.path_params.at("id")).value_or(JobId{});
}

// An id that is none is one that does not exist.
template <class IdType>
IdType id_at(const json::value& value) {
  return IdType::parse(json::value_to<std::string>(value)).value_or(IdType{});
}

Result<JobRequest> job_request(const json::value& body) {
  const auto& object = body.as_object();
  const auto* dataset = object.if_contains("dataset_id");
  const auto* videos = object.if_contains("video_ids");
  if ((dataset == nullptr) == (videos == nullptr)) {
    Error error{ErrorCode::invalid, "Give either dataset_id or video_ids."};
    error.fields.push_back(FieldError{"/video_ids", "either this or dataset_id"});
    return error;
  }
  JobRequest request{DatasetId{}, object.at("params").as_object()};
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

awaitable<Result<Response>> quote(JobService& jobs, Request& request) {
  auto wanted = job_request(request.body);
  if (!wanted) {
    co_return wanted.error();
  }
  const auto quote = co_await jobs.quote(request.user(), std::move(*wanted));
  if (!quote) {
    co_return quote.error();
  }
  co_return http::json_response(200, json::object{{"images", quote->images},
                                                  {"cost", json_tokens(quote->cost)},
                                                  {"available", json_tokens(quote->available)}});
}

awaitable<Result<Response>> create(JobService& jobs, IdempotencyService& once, Request& request) {
  auto wanted = job_request(request.body);
  if (!wanted) {
    co_return wanted.error();
  }
  IdempotencyService::Effect effect =
      [&](db::Connection& transaction) -> awaitable<Result<Answer>> {
    const auto accepted = co_await jobs.create(transaction, request.user(), std::move(*wanted));
    if (!accepted) {
      co_return accepted.error();
    }
    json::array list;
    for (const auto& job : accepted->jobs) {
      list.push_back(job_json(job));
    }
    co_return Answer{201, json_text(json::object{{"jobs", std::move(list)},
                                                 {"cost", json_tokens(accepted->cost)}})};
  };
  auto key = http::idempotency_key(request);
  auto answer = co_await once.act(request.user(), std::move(key), std::move(effect));
  co_return http::answer_response(std::move(answer));
}

awaitable<Result<Response>> list(JobService& jobs, Request& request) {
  const auto page = page_request(request.query);
  if (!page) {
    co_return page.error();
  }
  JobFilter filter;
  if (const auto* status = request.query.if_contains("status")) {
    filter.status = json::value_to<std::string>(*status);
  }
  if (const auto* dataset = request.query.if_contains("dataset_id")) {
    filter.dataset = id_at<DatasetId>(*dataset);
  }
  if (const auto* video = request.query.if_contains("video_id")) {
    filter.video = id_at<VideoId>(*video);
  }
  const auto rows = co_await jobs.list(request.user(), std::move(filter), *page);
  co_return http::json_response(200, page_of(rows, page->limit, job_json, [](const Job& job) {
                                  return Cursor{job.created_at, job.id.value};
                                }));
}

awaitable<Result<Response>> get(JobService& jobs, Request& request) {
  const auto job = co_await jobs.find(request.user(), job_of(request));
  if (!job) {
    co_return job.error();
  }
  co_return http::json_response(200, job_json(*job));
}

awaitable<Result<Response>> abort(JobService& jobs, Request& request) {
  const auto job = co_await jobs.abort(request.user(), job_of(request));
  if (!job) {
    co_return job.error();
  }
  co_return http::json_response(200, job_json(*job));
}

json::object pipelines_json(const std::vector<inference::Model>& models,
                            const json::value& params_schema) {
  json::array names;
  for (const auto& model : models) {
    if (model.pipeline == "detect") {
      names.push_back(json::object{{"name", model.name},
                                   {"description", model.description},
                                   {"sha256", model.sha256},
                                   {"labels", json::value_from(model.labels)}});
    }
  }
  return {{"items", json::array{json::object{{"name", "detect"},
                                             {"description", "Objects with their boxes"},
                                             {"params", params_schema},
                                             {"models", std::move(names)}}}}};
}

}  // namespace

void add_job_routes(http::Router& router, JobService& jobs, IdempotencyService& once,
                    json::value params_schema) {
  const auto add = [&](const char* method, const char* path, const char* operation,
                       http::BodyKind body, auto function) {
    router.add({method, path, operation, http::Access::user, body,
                [&jobs, function](Request& request) { return function(jobs, request); }});
  };
  using enum http::BodyKind;
  router.add({"GET", "/api/v1/pipelines", "listPipelines", http::Access::user, none,
              [answer = pipelines_json(jobs.models(), params_schema)](Request&)
                  -> awaitable<Result<Response>> { co_return http::json_response(200, answer); }});
  add("POST", "/api/v1/jobs/quote", "quoteJobs", json, quote);
  router.add({"POST", "/api/v1/jobs", "createJobs", http::Access::user, json,
              [&](Request& request) { return create(jobs, once, request); }});
  add("GET", "/api/v1/jobs", "listJobs", none, list);
  add("GET", "/api/v1/jobs/{id}", "getJob", none, get);
  add("POST", "/api/v1/jobs/{id}/abort", "abortJob", none, abort);
}

}  // namespace infernode
