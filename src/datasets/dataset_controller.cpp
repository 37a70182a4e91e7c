#include "datasets/dataset_controller.hpp"

#include "core/json.hpp"
#include "core/json_writer.hpp"

namespace infernode {
namespace {

namespace json = boost::json;
using http::Request;
using http::Response;
using http::asio::awaitable;

std::string dataset_json(const Dataset& dataset) {
  std::string text;
  text.reserve(256);
  JsonObjectWriter object{text};
  object.add("id", dataset.id).add("name", dataset.name).add("tags", dataset.tags);
  if (dataset.deleted_at) {
    object.add("deleted_at", *dataset.deleted_at);
  }
  object.add("created_at", dataset.created_at).add("updated_at", dataset.updated_at).end();
  return text;
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

Result<Response> answer(int status, const Result<Dataset>& dataset) {
  if (!dataset) {
    return dataset.error();
  }
  return http::json_text_response(status, dataset_json(*dataset));
}

awaitable<Result<Answer>> create_dataset(DatasetService& datasets, db::Transaction& transaction,
                                         Request& request) {
  auto tags = tags_of(request.body).value_or(std::vector<std::string>{});
  const auto dataset = co_await datasets.create(transaction, request.user(),
                                                name_of(request.body).value(), std::move(tags));
  if (!dataset) {
    co_return dataset.error();
  }
  co_return Answer{201, dataset_json(*dataset)};
}

awaitable<Result<Response>> list_datasets(DatasetService& datasets, Request& request) {
  const auto page = page_request(request.query);
  if (!page) {
    co_return page.error();
  }
  DatasetFilter filter;
  filter.deleted = request.query.at("deleted").as_bool();
  if (const auto* tags = request.query.if_contains("tag")) {
    filter.tags = json::value_to<std::vector<std::string>>(*tags);
  }
  filter.name = request.query_text("q");
  const auto rows = co_await datasets.list(request.user(), std::move(filter), *page);
  co_return http::json_text_response(
      200, page_of(rows, page->limit, dataset_json, [](const Dataset& dataset) {
        return Cursor{dataset.created_at, dataset.id.value};
      }));
}

awaitable<Result<Response>> get_dataset(DatasetService& datasets, Request& request) {
  const auto dataset = co_await datasets.find(request.user(), request.id<DatasetId>());
  co_return answer(200, dataset);
}

awaitable<Result<Response>> update_dataset(DatasetService& datasets, Request& request) {
  std::optional<Timestamp> if_updated_at;
  const std::string expected = request.header("if-match");
  if (!expected.empty() && expected != "*") {
    const auto current = co_await datasets.find(request.user(), request.id<DatasetId>());
    if (!current) {
      co_return current.error();
    }
    if (http::entity_tag(dataset_json(*current)) != expected) {
      co_return Error{ErrorCode::precondition_failed,
                      "The dataset has changed meanwhile; read it again first."};
    }
    if_updated_at = current->updated_at;
  }
  const auto dataset =
      co_await datasets.update(request.user(), request.id<DatasetId>(), name_of(request.body),
                               tags_of(request.body), if_updated_at);
  co_return answer(200, dataset);
}

awaitable<Result<Response>> delete_dataset(DatasetService& datasets, Request& request) {
  const auto id = request.id<DatasetId>();
  Result<void> removed;
  if (request.query.at("purge").as_bool()) {
    removed = co_await datasets.purge(request.user(), id);
  } else {
    removed = co_await datasets.remove(request.user(), id);
  }
  if (!removed) {
    co_return removed.error();
  }
  co_return http::no_content();
}

awaitable<Result<Response>> restore_dataset(DatasetService& datasets, Request& request) {
  const auto dataset = co_await datasets.restore(request.user(), request.id<DatasetId>());
  co_return answer(200, dataset);
}

json::value tag_json(const Tag& tag) {
  return json::object{{"id", tag.id.to_string()}, {"name", tag.name}, {"datasets", tag.datasets}};
}

awaitable<Result<Response>> list_tags(DatasetService& datasets, Request& request) {
  const auto page = page_request(request.query);
  if (!page) {
    co_return page.error();
  }
  auto part = request.query_text("q");
  const auto tags = co_await datasets.list_tags(request.user(), std::move(part), *page);
  co_return http::json_text_response(200, page_of(tags, page->limit, tag_json, [](const Tag& tag) {
                                       return Cursor{tag.created_at, tag.id.value};
                                     }));
}

awaitable<Result<Answer>> create_tag(DatasetService& datasets, db::Transaction& transaction,
                                     Request& request) {
  const auto tag =
      co_await datasets.create_tag(transaction, request.user(), name_of(request.body).value());
  if (!tag) {
    co_return tag.error();
  }
  co_return json_answer(201, json::object{{"id", tag->id.to_string()}, {"name", tag->name}});
}

awaitable<Result<Response>> delete_tag(DatasetService& datasets, Request& request) {
  const auto removed = co_await datasets.remove_tag(request.user(), request.id<TagId>());
  if (!removed) {
    co_return removed.error();
  }
  co_return http::no_content();
}

}  // namespace

void add_dataset_routes(OnceRoutes& routes, DatasetService& datasets) {
  const auto on = [&](const char* operation, auto function) {
    routes.router().on(
        operation, [&datasets, function](Request& request) { return function(datasets, request); });
  };
  const auto on_once = [&](const char* operation, auto function) {
    routes.on(operation, [&datasets, function](db::Transaction& transaction, Request& request) {
      return function(datasets, transaction, request);
    });
  };
  on("listTags", list_tags);
  on_once("createDataset", create_dataset);
  on("listDatasets", list_datasets);
  on("getDataset", get_dataset);
  on("updateDataset", update_dataset);
  on("deleteDataset", delete_dataset);
  on("restoreDataset", restore_dataset);
  on_once("createTag", create_tag);
  on("deleteTag", delete_tag);
}

}  // namespace infernode
