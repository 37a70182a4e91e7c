#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/origin_set.hpp"
#include "http/message.hpp"
#include "http/openapi.hpp"
#include "http/rate_limit.hpp"

namespace infernode::http {

using Access = ApiDocument::Access;
using BodyKind = ApiDocument::BodyKind;

// A path with what the API document says of it. In the path a segment in braces is a parameter; a
// page outside of the document has no id.
struct Route : ApiDocument::Operation {
  Handler handler{};
  std::vector<std::string> parts{};  // of the path
};

// What is asked of requests besides what the API document says.
struct RouterRules {
  OriginSet origins{};                // whose pages may read answers
  std::int64_t user_requests = 0;     // that one may send in a minute; 0: any number
  std::int64_t address_requests = 0;  // as above
};

// Finds out whom a token or an API key (the header Authorization) belongs to, or the cookie of a
// browser's session.
struct Presented {
  std::string secret;
  bool is_cookie = false;
};
// not_authenticated, or forbidden when a page of another origin would act.
Result<Presented> presented_by(const Request& request);
using Authenticator = std::function<asio::awaitable<Result<Principal>>(Presented presented)>;

// Everything between the wire and a handler: finds the route, authenticates, reads and checks
// query and body against the API document, counts against rate limits, turns errors into problem
// documents, answers If-None-Match and questions of browsers.
class Router {
public:
  Router(const ApiDocument& document, Authenticator authenticate, RouterRules rules = {});

  // Method, path, who may and what body are said in the API document. Throws std::logic_error when
  // it has no such operation.
  void on(const std::string& operation_id, Handler handler);
  // A page outside of the API document.
  void page(const std::string& path, Handler handler);
  // GET of whatever begins with `prefix` and is no route: the rest of the path is the parameter
  // "file".
  void files(const std::string& prefix, Handler handler);
  const std::vector<Route>& routes() const { return routes_; }

  // Throws PeerGone only.
  asio::awaitable<Response> handle(Request& request) const;

private:
  struct Limits {
    RateLimit address;
    RateLimit user;
  };

  void add(Route route);
  const Route* find(const std::vector<std::string_view>& path, const std::string& method,
                    std::string& allowed) const;
  asio::awaitable<Response> answer(Request& request) const;
  asio::awaitable<Result<Response>> dispatch(Request& request) const;
  asio::awaitable<Result<void>> authenticate(Request& request, const Route& route) const;
  asio::awaitable<Result<void>> read_json(Request& request, const Route& route) const;

  const ApiDocument& document_;
  Authenticator authenticate_;
  OriginSet origins_;
  std::unique_ptr<Limits> limits_;
  std::vector<Route> routes_;
  std::vector<Route> files_;
};

// not_found for an address that names nothing.
Error nothing_here();

// The strong entity tag of a representation.
std::string entity_tag(std::string_view representation);

}  // namespace infernode::http
