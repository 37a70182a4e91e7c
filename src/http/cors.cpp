#include "http/cors.hpp"

namespace infernode::http {
namespace {

constexpr const char* kMethods = "GET, HEAD, POST, PATCH, PUT, DELETE";
constexpr const char* kRequestFields =
    "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, Prefer, "
    "Range, X-Request-Id, Tus-Resumable, Upload-Checksum, Upload-Length, Upload-Metadata, "
    "Upload-Offset, X-HTTP-Method-Override";
constexpr const char* kResponseFields =
    "Location, X-Request-Id, ETag, Retry-After, Allow, RateLimit, RateLimit-Policy, "
    "Content-Disposition, Content-Range, Accept-Ranges, WWW-Authenticate, Tus-Checksum-Algorithm, "
    "Tus-Extension, Tus-Max-Size, Tus-Resumable, Tus-Version, Upload-Expires, Upload-Length, "
    "Upload-Metadata, Upload-Offset, X-Video";
// Of what a browser remembers; Chromium takes two hours at most.
constexpr const char* kSeconds = "7200";

void allow_origin(const OriginSet& origins, const std::string& origin, Response& response) {
  response.headers.emplace_back("Access-Control-Allow-Origin", origins.any() ? "*" : origin);
}

// The answer depends on who asks, and caches must know.
void vary(const OriginSet& origins, Response& response) {
  if (!origins.any()) {
    response.headers.emplace_back("Vary", "Origin");
  }
}

}  // namespace

std::optional<Response> preflight(const OriginSet& origins, const Request& request) {
  const auto origin = request.header("origin");
  if (request.method != "OPTIONS" || !origins.contains(origin) ||
      request.header("access-control-request-method").empty()) {
    return std::nullopt;
  }
  Response response = no_content();
  allow_origin(origins, origin, response);
  vary(origins, response);
  response.headers.emplace_back("Access-Control-Allow-Methods", kMethods);
  response.headers.emplace_back("Access-Control-Allow-Headers", kRequestFields);
  response.headers.emplace_back("Access-Control-Max-Age", kSeconds);
  return response;
}

void allow_reading(const OriginSet& origins, const Request& request, Response& response) {
  if (origins.empty()) {
    return;
  }
  vary(origins, response);
  const auto origin = request.header("origin");
  if (origins.contains(origin)) {
    allow_origin(origins, origin, response);
    response.headers.emplace_back("Access-Control-Expose-Headers", kResponseFields);
  }
}

}  // namespace infernode::http
