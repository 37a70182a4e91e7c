// Pages outside of the API, and the state of the server for whoever watches it.
#include <fmt/format.h>
#include <openssl/crypto.h>

#include <boost/asio/ip/address.hpp>
#include <chrono>
#include <memory>
#include <optional>

#include "app/app.hpp"
#include "app/dashboard.hpp"
#include "core/embedded.hpp"
#include "http/problem.hpp"
#include "inference/manifest.hpp"

namespace infernode::app {
namespace {

constexpr std::chrono::seconds kReadinessInterval{1};

using http::Request;
using http::Response;

Error not_ready(const std::string& why) {
  return {ErrorCode::unavailable, why};
}

asio::awaitable<Result<Response>> look_at_readiness(App& app) {
  db::SchemaFit fit;
  std::optional<std::string> paused;
  std::optional<std::string> fault;
  try {
    {
      const auto connection = co_await app.database.acquire();
      fit = co_await db::schema_fit(*connection, app.migrations);
    }
    if (fit.works()) {
      paused = co_await app.segments.find_pause();
    }
  } catch (const Unavailable&) {
    fault = "The database cannot be reached.";
  }
  if (fault) {
    co_return not_ready(*fault);
  }
  if (!fit.works()) {
    co_return not_ready(fmt::format(
        "The database's schema (version {}) is not one that this server works with (version {}).",
        fit.version.empty() ? "none" : fit.version, fit.needed));
  }
  if (app.blobs.disk_full() || paused) {
    co_return not_ready("The database's disk is full: nothing can be stored, and jobs wait.");
  }
  const boost::json::object schema{{"version", fit.version}, {"needed", fit.needed}};
  co_return http::json_response(200, boost::json::object{{"status", "ready"}, {"schema", schema}});
}

// What was found last. Anybody may ask, as often as they like, so it is looked at once a second.
struct Readiness {
  std::optional<Result<Response>> last{};
  std::chrono::steady_clock::time_point looked_at{};
  bool looking = false;
};

asio::awaitable<Result<Response>> readiness(App& app, std::shared_ptr<Readiness> known) {
  const auto now = std::chrono::steady_clock::now();
  if (known->last && (known->looking || now - known->looked_at < kReadinessInterval)) {
    co_return *known->last;
  }
  known->looking = true;
  try {
    auto found = co_await look_at_readiness(app);
    known->last = std::move(found);
  } catch (...) {
    known->looking = false;
    throw;
  }
  known->looked_at = now;
  known->looking = false;
  co_return *known->last;
}

bool is_loopback(const std::string& text) {
  boost::system::error_code error;
  const auto address = asio::ip::make_address(text, error);
  return !error && address.is_loopback();
}

// Whether a program of this machine asks: no proxy passed the request on, and no page in a browser
// sent it, under whatever name it found this machine.
bool from_this_machine(const Request& request) {
  std::string host = request.header("host");
  host = host.substr(0, host.find(']') == std::string::npos ? host.find(':') : host.find(']'));
  host.erase(0, host.starts_with('[') ? 1 : 0);
  return is_loopback(request.address) && (host == "localhost" || is_loopback(host)) &&
         request.header("origin").empty() && request.header("forwarded").empty() &&
         request.header("x-forwarded-for").empty();
}

bool same_secret(const std::string& one, const std::string& other) {
  return one.size() == other.size() && CRYPTO_memcmp(one.data(), other.data(), one.size()) == 0;
}

asio::awaitable<Result<Response>> metrics(App& app, const Request& request) {
  const auto given = request.header("authorization");
  const auto& token = app.config.metrics_token;
  const bool known = !token.empty() && same_secret(given, "Bearer " + token);
  if (!known && (!given.empty() || !from_this_machine(request))) {
    co_return Error{ErrorCode::not_authenticated,
                    "The metrics are for programs on this machine, and for who has "
                    "INFERNODE_METRICS_TOKEN as a bearer token."};
  }
  Response response;
  response.headers.emplace_back("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
  response.body = co_await app.metrics.text(app);
  co_return response;
}

boost::json::value info_json(const App& app) {
  const auto& config = app.config;
  return boost::json::object{
      {"version", build_version()},
      {"registration", config.registration},
      {"prices",
       boost::json::object{{"upload_frame", json_tokens(config.price_upload_frame)},
                           {"inference_image", json_tokens(config.price_inference_image)}}},
      {"limits", boost::json::object{{"upload_max_bytes", config.upload_max_bytes},
                                     {"storage_quota", config.storage_quota},
                                     {"uploads_at_once", config.uploads_at_once},
                                     {"max_open_jobs", config.max_open_jobs}}}};
}

Response document_response(std::string_view type, std::string_view content) {
  Response response;
  response.headers.emplace_back("Content-Type", type);
  response.body = std::string{content};
  return response;
}

}  // namespace

void add_pages(http::Router& router, App& app, const http::ApiDocument& document) {
  router.files("/", [](Request& request) -> asio::awaitable<Result<Response>> {
    co_return dashboard_file(request, request.path_params.at("file"));
  });
  router.page("/openapi.json", [&document](Request&) -> asio::awaitable<Result<Response>> {
    co_return document_response("application/json", document.text());
  });
  router.page("/schemas/model.json", [](Request&) -> asio::awaitable<Result<Response>> {
    co_return document_response("application/schema+json", json_text(inference::manifest_schema()));
  });
  router.on("getHealth", [](Request&) -> asio::awaitable<Result<Response>> {
    co_return http::json_response(
        200, boost::json::object{{"status", "alive"}, {"version", build_version()}});
  });
  router.on("getInfo", [answer = info_json(app)](Request&) -> asio::awaitable<Result<Response>> {
    co_return http::json_response(200, answer);
  });
  router.on("getMetrics", [&app](Request& request) { return metrics(app, request); });
  const auto known = std::make_shared<Readiness>();
  router.on("getReadiness", [&app, known](Request&) { return readiness(app, known); });
}

}  // namespace infernode::app
