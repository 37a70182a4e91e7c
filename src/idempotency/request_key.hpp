#pragma once

#include <optional>
#include <string_view>

#include "http/message.hpp"
#include "idempotency/idempotency.hpp"

namespace infernode {

// The key of a request with a JSON body (or none); nullopt when the client sent none.
std::optional<IdempotencyKey> idempotency_key(const http::Request& request);
// The same for a body that is described by `body`.
std::optional<IdempotencyKey> idempotency_key(const http::Request& request, std::string_view body);

// The answer as a response.
Result<http::Response> answer_response(Result<Answer> answer);

}  // namespace infernode
