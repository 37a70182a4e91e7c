#include "http/router.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "core/address_set.hpp"
#include "core/digest.hpp"
#include "core/json.hpp"
#include "core/log.hpp"
#include "http/cors.hpp"
#include "http/problem.hpp"
#include "http/session_cookie.hpp"

namespace infernode::http {
namespace {

std::vector<std::string_view> split_path(std::string_view path) {
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    path.remove_prefix(1);  // every part begins with its slash
    const auto slash = std::min(path.find('/'), path.size());
    parts.push_back(path.substr(0, slash));
    path.remove_prefix(slash);
  }
  return parts;
}

bool is_parameter(const std::string& part) {
  return part.starts_with('{');
}

bool matches(const Route& route, const std::vector<std::string_view>& path) {
  return std::equal(route.parts.begin(), route.parts.end(), path.begin(), path.end(),
                    [](const std::string& part, std::string_view actual) {
                      return is_parameter(part) || part == actual;
                    });
}

std::map<std::string, std::string> parameters(const Route& route,
                                              const std::vector<std::string_view>& path) {
  std::map<std::string, std::string> params;
  for (std::size_t i = 0; i < path.size(); ++i) {
    const std::string& part = route.parts[i];
    if (is_parameter(part)) {
      params.emplace(part.substr(1, part.size() - 2), path[i]);
    }
  }
  return params;
}

// Whether a client's Idempotency-Key can be used: 1 to 255 visible ASCII characters.
bool is_idempotency_key(std::string_view key) {
  return !key.empty() && key.size() <= 255 &&
         std::all_of(key.begin(), key.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

// What the route said of its answer itself; empty: nothing.
std::string own_tag(const Response& response) {
  for (const auto& [name, value] : response.headers) {
    if (name == "ETag") {
      return value;
    }
  }
  return {};
}

ApiDocument::Operation page_at(const std::string& path) {
  return {.method = "GET", .path = path, .id = "", .access = Access::anyone};
}

// Counts a request against a limit; the Error is too_many_requests.
std::optional<Error> count(RateLimit& limit, const std::string& key, Request& request) {
  if (!limit.on()) {
    return std::nullopt;
  }
  const auto counted = limit.take(key, RateLimit::Clock::now());
  const auto list = [](std::string& items, const std::string& item) {
    items.append(items.empty() ? "" : ", ").append(item);
  };
  list(request.rate_policies, limit.policy_item());
  list(request.rates, limit.count_item(counted));
  if (counted.admitted) {
    return std::nullopt;
  }
  Error error{ErrorCode::too_many_requests,
              fmt::format("More than {} requests a minute; try again in {} s.", limit.quota(),
                          counted.wait_seconds)};
  error.retry_after = static_cast<int>(counted.wait_seconds);
  return error;
}

bool allows(const std::vector<std::string>& scopes, const std::string& scope) {
  return std::find(scopes.begin(), scopes.end(), scope) != scopes.end();
}

}  // namespace

// What a request proves with whom it comes from. Where a browser adds the cookie by itself, a page
// of another origin must not make it act.
Result<Presented> presented_by(const Request& request) {
  const std::string header = request.header("authorization");
  constexpr std::string_view kScheme = "bearer ";
  const bool bearer =
      header.size() > kScheme.size() &&
      std::equal(kScheme.begin(), kScheme.end(), header.begin(),
                 [](char a, char b) { return a == std::tolower(static_cast<unsigned char>(b)); });
  if (bearer) {
    return Presented{header.substr(kScheme.size()), false};
  }
  auto session = session_cookie(request);
  if (!session) {
    return Error{ErrorCode::not_authenticated,
                 "This needs the header 'Authorization: Bearer TOKEN'; log in for a token."};
  }
  const bool safe = request.method == "GET" || request.method == "HEAD";
  if (!safe && request.header("origin") != origin_of(request)) {
    return not_same_origin(request);
  }
  return Presented{std::move(*session), true};
}

Error nothing_here() {
  return {ErrorCode::not_found, "There is nothing at this address."};
}

std::string entity_tag(std::string_view representation) {
  Sha256 sha;
  sha.update(std::as_bytes(std::span{representation}));
  const auto digest = sha.finish();
  return "\"" + hex(std::span{digest}.first(16)) + "\"";
}

Router::Router(const ApiDocument& document, Authenticator authenticate, RouterRules rules)
    : document_{document},
      authenticate_{std::move(authenticate)},
      origins_{std::move(rules.origins)},
      limits_{std::make_unique<Limits>(Limits{RateLimit{"address", rules.address_requests},
                                              RateLimit{"user", rules.user_requests}})} {}

void Router::on(const std::string& operation_id, Handler handler) {
  try {
    add(Route{document_.operation(operation_id), std::move(handler)});
  } catch (const std::out_of_range& error) {
    throw std::logic_error(error.what());
  }
}

void Router::page(const std::string& path, Handler handler) {
  add(Route{page_at(path), std::move(handler)});
}

void Router::add(Route route) {
  for (const auto part : split_path(route.path)) {
    route.parts.emplace_back(part);
  }
  routes_.push_back(std::move(route));
}

void Router::files(const std::string& prefix, Handler handler) {
  files_.push_back(Route{page_at(prefix), std::move(handler)});
}

asio::awaitable<Response> Router::handle(Request& request) const {
  auto question = preflight(origins_, request);
  if (question) {
    co_return std::move(*question);
  }
  if (request.path == "*") {
    co_return no_content();  // OPTIONS of the server as a whole (RFC 9110, 9.3.7)
  }
  const std::string sent = request.method;
  Response response = co_await answer(request);
  request.method = sent;  // which says whether the answer has a body
  if (request.route != nullptr) {
    const auto& fields = request.route->answer_fields;
    response.headers.insert(response.headers.end(), fields.begin(), fields.end());
  }
  allow_reading(origins_, request, response);
  if (!request.rates.empty()) {
    response.headers.emplace_back("RateLimit-Policy", request.rate_policies);
    response.headers.emplace_back("RateLimit", request.rates);
  }
  co_return response;
}

asio::awaitable<Response> Router::answer(Request& request) const {
  try {
    auto result = co_await dispatch(request);
    if (!result) {
      co_return problem_response(result.error(), request.request_id);
    }
    Response response = std::move(*result);
    const bool reads = request.method == "GET" || request.method == "HEAD";
    if (reads && response.status == 200 && !response.source) {
      std::string tag = own_tag(response);
      if (tag.empty()) {
        tag = entity_tag(response.body);
        response.headers.emplace_back("ETag", tag);
      }
      if (names_tag(request.header("if-none-match"), tag)) {
        response.status = 304;
        response.body.clear();
      }
    }
    co_return response;
  } catch (const PeerGone&) {
    throw;
  } catch (const BadBody& error) {
    co_return problem_response(Error{ErrorCode::malformed, error.what()}, request.request_id);
  } catch (const StorageFull& error) {
    log::write(log::Level::error, error.what(), {{"request", request.request_id}});
    co_return storage_full_response(request.request_id);
  } catch (const Unavailable& error) {
    log::write(log::Level::warn, error.what(), {{"request", request.request_id}});
    co_return unavailable_response(request.request_id);
  } catch (const std::exception& error) {
    log::write(log::Level::error,
               fmt::format("{} {}: {}", request.method, request.path, error.what()),
               {{"request", request.request_id}});
    co_return internal_error_response(request.request_id);
  }
}

// The route of a path and a method; `allowed` are the methods of the path's others.
const Route* Router::find(const std::vector<std::string_view>& path, const std::string& method,
                          std::string& allowed) const {
  allowed.clear();
  for (const auto& route : routes_) {
    if (!matches(route, path)) {
      continue;
    }
    if (route.method == method) {
      return &route;
    }
    allowed += (allowed.empty() ? "" : ", ") + route.method;
  }
  return nullptr;
}

asio::awaitable<Result<Response>> Router::dispatch(Request& request) const {
  const auto path = split_path(request.path);
  std::string allowed;
  const Route* found = find(path, request.method, allowed);
  const std::string overriding = request.header("x-http-method-override");
  if (request.method == "POST" && !overriding.empty()) {
    const Route* other = find(path, overriding, allowed);
    if (other != nullptr && other->overriding) {
      found = other;
      request.method = other->method;
    }
  }
  std::string method = request.method;
  if (found == nullptr && method == "HEAD") {
    method = "GET";
    found = find(path, method, allowed);
  }
  if (found != nullptr) {
    request.path_params = parameters(*found, path);
  }
  for (const auto& route : files_) {
    if (found == nullptr && allowed.empty() && method == route.method &&
        request.path.starts_with(route.path)) {
      found = &route;
      request.path_params = {{"file", request.path.substr(route.path.size())}};
    }
  }
  request.route = found;
  if (found == nullptr || !found->unlimited) {
    auto refused = count(limits_->address, counted_address(request.address), request);
    if (refused) {
      co_return std::move(*refused);
    }
  }
  if (found == nullptr && !allowed.empty()) {
    co_return method_not_allowed_response(request.method, allowed, request.request_id);
  }
  if (found == nullptr) {
    co_return nothing_here();
  }
  const auto permitted = co_await authenticate(request, *found);
  if (!permitted) {
    co_return permitted.error();
  }
  if (request.principal) {
    auto refused = count(limits_->user, request.user().to_string(), request);
    if (refused) {
      co_return std::move(*refused);
    }
  }
  if (!found->id.empty()) {
    auto query = document_.parse_query(found->id, request.query_string);
    if (!query) {
      co_return query.error();
    }
    request.query = std::move(*query);
  }
  if (const auto key = request.headers.find("idempotency-key");
      method == "POST" && key != request.headers.end() && !is_idempotency_key(key->second)) {
    Error error{ErrorCode::malformed, "An Idempotency-Key has 1 to 255 visible ASCII characters."};
    error.fields.push_back(FieldError{"Idempotency-Key", "has 1 to 255 visible ASCII characters"});
    co_return error;
  }
  if (found->body == BodyKind::json) {
    const auto read = co_await read_json(request, *found);
    if (!read) {
      co_return read.error();
    }
  }
  co_return co_await found->handler(request);
}

asio::awaitable<Result<void>> Router::authenticate(Request& request, const Route& route) const {
  if (route.access == Access::anyone) {
    co_return Result<void>{};
  }
  auto presented = presented_by(request);
  if (!presented) {
    co_return presented.error();
  }
  auto principal = co_await authenticate_(std::move(*presented));
  if (!principal) {
    co_return principal.error();
  }
  if (route.access == Access::admin && !principal->is_admin) {
    co_return Error{ErrorCode::forbidden, "Only an administrator may do this."};
  }
  if (principal->scopes && !allows(*principal->scopes, route.scope)) {
    co_return Error{ErrorCode::forbidden,
                    route.scope.empty()
                        ? "No API key may do this; log in."
                        : fmt::format("This API key has not the scope '{}'.", route.scope)};
  }
  request.principal = *principal;
  co_return Result<void>{};
}

asio::awaitable<Result<void>> Router::read_json(Request& request, const Route& route) const {
  const std::string type = request.header("content-type");
  if (media_type(type) != "application/json") {
    co_return Error{ErrorCode::unsupported_media,
                    "The body must be JSON, with the header 'Content-Type: application/json'."};
  }
  const Error too_large{ErrorCode::too_large,
                        fmt::format("The body may have {} bytes at most here.", route.max_bytes)};
  if (request.stream->content_length().value_or(0) > route.max_bytes) {
    co_return too_large;
  }
  std::string text;
  std::vector<std::byte> buffer(16 * 1024);
  for (;;) {
    const std::size_t got = co_await request.stream->read(buffer);
    if (got == 0) {
      break;
    }
    text.append(reinterpret_cast<const char*>(buffer.data()), got);
    if (text.size() > route.max_bytes) {
      co_return too_large;
    }
  }
  auto body = parse_json(text);
  if (!body) {
    co_return body.error();
  }
  const auto checked = document_.check_body(route.id, *body);
  if (!checked) {
    co_return checked.error();
  }
  request.body = std::move(*body);
  co_return Result<void>{};
}

}  // namespace infernode::http
