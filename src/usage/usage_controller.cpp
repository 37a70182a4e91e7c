#include "usage/usage_controller.hpp"

#include <fmt/format.h>

#include "core/json.hpp"

namespace infernode {
namespace {

namespace json = boost::json;
using http::Request;
using http::Response;
using http::asio::awaitable;

json::value bucket_json(const UsedInBucket& used) {
  return json::object{{"from", used.from},
                      {"pipeline", used.pipeline ? json::value(*used.pipeline) : json::value{}},
                      {"frames", used.frames},
                      {"images", used.images},
                      {"tokens", json_tokens(used.tokens)},
                      {"joules", used.joules},
                      {"grams", used.grams}};
}

// RFC 4180. Names of pipelines are words.
std::string csv_of(const std::vector<UsedInBucket>& all) {
  std::string text = "from,pipeline,frames,images,tokens,joules,grams\r\n";
  for (const auto& used : all) {
    fmt::format_to(std::back_inserter(text), "{},{},{},{},{},{:.3f},{:.6f}\r\n", used.from,
                   used.pipeline.value_or(""), used.frames, used.images, used.tokens.to_string(),
                   used.joules, used.grams);
  }
  return text;
}

awaitable<Result<Response>> get_usage(UsageService& usage, Request& request) {
  UsageQuery query;
  query.from = request.query_text("from");
  query.to = request.query_text("to");
  query.bucket = from_text<UsageBucket>(request.query_text("bucket").value()).value();
  query.by_pipeline = request.query_text("by") == "pipeline";
  const auto found = co_await usage.list(request.user(), std::move(query));
  if (!found) {
    co_return found.error();
  }
  if (request.query_text("format") == "csv") {
    Response response;
    response.headers.emplace_back("Content-Type", "text/csv; charset=utf-8");
    response.headers.emplace_back("Content-Disposition", "attachment; filename=\"usage.csv\"");
    response.body = csv_of(*found);
    co_return response;
  }
  json::array items;
  for (const auto& used : *found) {
    items.push_back(bucket_json(used));
  }
  co_return http::json_response(200, json::object{{"items", std::move(items)}});
}

}  // namespace

void add_usage_routes(http::Router& router, UsageService& usage) {
  router.on("getUsage", [&usage](Request& request) { return get_usage(usage, request); });
}

}  // namespace infernode
