#include "http/handshake.hpp"

#include <algorithm>
#include <cctype>

#include "http/problem.hpp"

namespace infernode::http {
namespace {

// 16 bytes in Base64.
bool is_handshake_key(std::string_view key) {
  return key.size() == 24 && key.ends_with("==") &&
         std::all_of(key.begin(), key.end() - 2,
                     [](unsigned char c) { return std::isalnum(c) != 0 || c == '+' || c == '/'; });
}

}  // namespace

std::optional<Response> refuse_handshake(const Request& request) {
  if (request.method != "GET" || request.http_1_0 ||
      !lists(request.header("upgrade"), "websocket") ||
      !lists(request.header("connection"), "upgrade")) {
    return upgrade_response("websocket", request.request_id);
  }
  if (request.header("sec-websocket-version") != "13") {
    auto response = upgrade_response("websocket", request.request_id);
    response.headers.emplace_back("Sec-WebSocket-Version", "13");
    return response;
  }
  if (!is_handshake_key(request.header("sec-websocket-key"))) {
    return problem_response(
        Error{ErrorCode::malformed, "Sec-WebSocket-Key holds 16 bytes in Base64."},
        request.request_id);
  }
  return std::nullopt;
}

}  // namespace infernode::http
