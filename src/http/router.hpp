#pragma once

#include <functional>
#include <string>
#include <vector>

#include "http/message.hpp"
#include "http/openapi.hpp"

namespace infernode::http {

using Access = ApiDocument::Access;
using BodyKind = ApiDocument::BodyKind;

struct Route {
  std::string method;
  std::string path;          // "/api/v1/datasets/{id}": a segment in braces is a parameter
  std::string operation_id;  // in the API document; empty for pages outside of it
  Access access = Access::anyone;
  BodyKind body = BodyKind::none;
  Handler handler;
  std::size_t max_bytes = 0;         // of a JSON body
  std::vector<std::string> parts{};  // of the path
};

// Finds out whom a token belongs to.
using Authenticator = std::function<asio::awaitable<Result<Principal>>(std::string token)>;

// Everything between the wire and a handler: finds the route, authenticates, reads and checks
// query and body against the API document, turns errors into problem documents, answers
// If-None-Match.
class Router {
public:
  Router(const ApiDocument& document, Authenticator authenticate);

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
  void add(Route route);
  asio::awaitable<Result<Response>> dispatch(Request& request) const;
  asio::awaitable<Result<void>> authenticate(Request& request, Access access) const;
  asio::awaitable<Result<void>> read_json(Request& request, const Route& route) const;

  const ApiDocument& document_;
  Authenticator authenticate_;
  std::vector<Route> routes_;
  std::vector<Route> files_;
};

// not_found for an address that names nothing.
Error nothing_here();

// The strong entity tag of a representation.
std::string entity_tag(std::string_view representation);

}  // namespace infernode::http
