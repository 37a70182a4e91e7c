#include "datasets/dataset_controller.hpp"

#include "core/json.hpp"
#include "http/idempotency.hpp"

namespace infernode {
namespace {

namespace json = boost::json;
using http::Request;
using http::Response;
using http::asio::awaitable;

json::object dataset_json(const Dataset& dataset) {
  json::object object{{"id", dataset.id.to_string()},
                      {"name", dataset.name},
                      {"tags", json::value_from(dataset.tags)}};
  if (dataset.deleted_at) {
    object.emplace("deleted_at", rfc3339(*dataset.deleted_at));
  }
  object.emplace("created_at", rfc3339(dataset.created_at));
  object.emplace("updated_at", rfc3339(dataset.updated_at));
  return object;
}

std::optional<std::vector<std::string>> tags_of(const json::value& body) {
  const auto* tags = body.as_object().if_contains("tags");
  return tags == nullptr ? std::nullopt
                         : std::optional{json::value_to<std::vector<std::string>>(*tags)};
}

std::optional<std::string> name_of(const json::value& body) {
  const auto* name = body.as_object().if_contains("name");
  return name == nullptr ? std::nullopt : std::optional{json::value_to<std::string>(*name)};
}

// An id that is none is one that does not exist.
DatasetId id_of(const Request& request) {
  return DatasetId::parse(request.path_params.at("id")).value_or(DatasetId{});
}

Result<Response> answer(int status, const Result<Dataset>& dataset) {
  if (!dataset) {
    return dataset.error();
  }
  return http::json_response(status, dataset_json(*dataset));
}

awaitable<Result<Response>> create(DatasetService& datasets, IdempotencyService& once,
                                   Request& request) {
  IdempotencyService::Effect effect =
      [&](db::Connection& transaction) -> awaitable<Result<Answer>> {
    auto tags = tags_of(request.body).value_or(std::vector<std::string>{});
    const auto dataset = co_await datasets.create(transaction, request.user(),
                                                  name_of(request.body).value(), std::move(tags));
    if (!dataset) {
      co_return dataset.error();
    }
    co_return Answer{201, json_text(dataset_json(*dataset))};
  };
  auto key = http::idempotency_key(request);
  auto answer = co_await once.act(request.user(), std::move(key), std::move(effect));
  co_return http::answer_response(std::move(answer));
}

awaitable<Result<Response>> list(DatasetService& datasets, Request& request) {
  const auto page = page_request(request.query);
  if (!page) {
    co_return page.error();
  }
  DatasetFilter filter;
  filter.deleted = request.query.at("deleted").as_bool();
  if (const auto* tags = request.query.if_contains("tag")) {
    filter.tags = json::value_to<std::vector<std::string>>(*tags);
  }
  if (const auto* part = request.query.if_contains("q")) {
    filter.name = json::value_to<std::string>(*part);
  }
  const auto rows = co_await datasets.list(request.user(), std::move(filter), *page);
  co_return http::json_response(
      200, page_of(rows, page->limit, dataset_json, [](const Dataset& dataset) {
        return Cursor{dataset.created_at, dataset.id.value};
      }));
}

awaitable<Result<Response>> get(DatasetService& datasets, Request& request) {
  const auto dataset = co_await datasets.find(request.user(), id_of(request));
  co_return answer(200, dataset);
}

awaitable<Result<Response>> update(DatasetService& datasets, Request& request) {
  std::optional<Timestamp> if_updated_at;
  const std::string expected = request.header("if-match");
  if (!expected.empty() && expected != "*") {
    const auto current = co_await datasets.find(request.user(), id_of(request));
    if (!current) {
      co_return current.error();
    }
    if (http::entity_tag(json_text(dataset_json(*current))) != expected) {
      co_return Error{ErrorCode::precondition_failed,
                      "The dataset has changed meanwhile; read it again first."};
    }
    if_updated_at = current->updated_at;
  }
  const auto dataset = co_await datasets.update(
      request.user(), id_of(request), name_of(request.body), tags_of(request.body), if_updated_at);
  co_return answer(200, dataset);
}

awaitable<Result<Response>> remove(DatasetService& datasets, Request& request) {
  const auto removed = co_await datasets.remove(request.user(), id_of(request));
  if (!removed) {
    co_return removed.error();
  }
  Response response;
  response.status = 204;
  co_return response;
}

awaitable<Result<Response>> restore(DatasetService& datasets, Request& request) {
  const auto dataset = co_await datasets.restore(request.user(), id_of(request));
  co_return answer(200, dataset);
}

awaitable<Result<Response>> list_tags(DatasetService& datasets, Request& request) {
  const auto tags = co_await datasets.list_tags(request.user());
  json::array items;
  for (const auto& tag : tags) {
    items.push_back(
        json::object{{"id", tag.id.to_string()}, {"name", tag.name}, {"datasets", tag.datasets}});
  }
  co_return http::json_response(200, json::object{{"items", std::move(items)}});
}

awaitable<Result<Response>> create_tag(DatasetService& datasets, IdempotencyService& once,
                                       Request& request) {
  IdempotencyService::Effect effect =
      [&](db::Connection& transaction) -> awaitable<Result<Answer>> {
    const auto tag =
        co_await datasets.create_tag(transaction, request.user(), name_of(request.body).value());
    if (!tag) {
      co_return tag.error();
    }
    co_return Answer{201,
                     json_text(json::object{{"id", tag->id.to_string()}, {"name", tag->name}})};
  };
  auto key = http::idempotency_key(request);
  auto answer = co_await once.act(request.user(), std::move(key), std::move(effect));
  co_return http::answer_response(std::move(answer));
}

awaitable<Result<Response>> remove_tag(DatasetService& datasets, Request& request) {
  const auto id = TagId::parse(request.path_params.at("id")).value_or(TagId{});
  const auto removed = co_await datasets.remove_tag(request.user(), id);
  if (!removed) {
    co_return removed.error();
  }
  Response response;
  response.status = 204;
  co_return response;
}

}  // namespace

void add_dataset_routes(http::Router& router, DatasetService& datasets, IdempotencyService& once) {
  using enum http::BodyKind;
  const auto add = [&](const char* method, const char* path, const char* operation,
                       http::BodyKind body, auto function) {
    router.add({method, path, operation, http::Access::user, body,
                [&datasets, function](Request& request) { return function(datasets, request); }});
  };
  add("GET", "/api/v1/tags", "listTags", none, list_tags);
  router.add({"POST", "/api/v1/datasets", "createDataset", http::Access::user, json,
              [&](Request& request) { return create(datasets, once, request); }});
  router.add({"POST", "/api/v1/admin/tags", "createTag", http::Access::admin, json,
              [&](Request& request) { return create_tag(datasets, once, request); }});
  router.add({"DELETE", "/api/v1/admin/tags/{id}", "deleteTag", http::Access::admin, none,
              [&](Request& request) { return remove_tag(datasets, request); }});
  add("GET", "/api/v1/datasets", "listDatasets", none, list);
  add("GET", "/api/v1/datasets/{id}", "getDataset", none, get);
  add("PATCH", "/api/v1/datasets/{id}", "updateDataset", json, update);
  add("DELETE", "/api/v1/datasets/{id}", "deleteDataset", none, remove);
  add("POST", "/api/v1/datasets/{id}/restore", "restoreDataset", none, restore);
}

}  // namespace infernode
