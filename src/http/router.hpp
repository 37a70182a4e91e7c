#pragma once

#include <functional>
#include <string>
#include <vector>

#include "http/message.hpp"
#include "http/openapi.hpp"

namespace infernode::http {

enum class Access { anyone, user, admin };
enum class BodyKind { none, json, stream };  // stream: the handler reads request.stream itself

struct Route {
  std::string method;
  std::string path;          // "/api/v1/datasets/{id}": a segment in braces is a parameter
  std::string operation_id;  // in the API document; empty for pages outside of it
  Access access;
  BodyKind body;
  Handler handler;
};

// Finds out whom a token belongs to.
using Authenticator = std::function<asio::awaitable<Result<Principal>>(std::string token)>;

// Everything between the wire and a handler: finds the route, authenticates, reads and checks
// query and body against the API document, turns errors into problem documents, answers
// If-None-Match.
class Router {
public:
  Router(const ApiDocument& document, Authenticator authenticate);

  // Throws std::logic_error when the API document has no such operation.
  void add(Route route);
  const std::vector<Route>& routes() const { return routes_; }

  // Never throws but for a peer that went away (boost::system::system_error).
  asio::awaitable<Response> handle(Request& request) const;

private:
  asio::awaitable<Result<Response>> dispatch(Request& request) const;
  asio::awaitable<Result<void>> authenticate(Request& request, Access access) const;
  asio::awaitable<Result<void>> read_json(Request& request, const Route& route) const;

  const ApiDocument& document_;
  Authenticator authenticate_;
  std::vector<Route> routes_;
};

// The strong entity tag of a representation.
std::string entity_tag(std::string_view representation);

}  // namespace infernode::http
