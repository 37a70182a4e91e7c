#include "idempotency/request_key.hpp"

#include "core/json.hpp"

namespace infernode {

std::optional<IdempotencyKey> idempotency_key(const http::Request& request) {
  return idempotency_key(request, json_text(request.body));
}

std::optional<IdempotencyKey> idempotency_key(const http::Request& request, std::string_view body) {
  auto key = request.header("idempotency-key");
  if (key.empty()) {
    return std::nullopt;
  }
  Sha256 sha;
  for (const std::string_view part :
       {std::string_view{request.method}, std::string_view{"\n"}, std::string_view{request.path},
        std::string_view{"\n"}, body}) {
    sha.update(std::as_bytes(std::span{part}));
  }
  return IdempotencyKey{std::move(key), sha.finish()};
}

Result<http::Response> answer_response(Result<Answer> answer) {
  if (!answer) {
    return answer.error();
  }
  http::Response response;
  response.status = answer->status;
  response.headers.emplace_back("Content-Type", "application/json");
  response.body = std::move(answer->body);
  return response;
}

}  // namespace infernode
