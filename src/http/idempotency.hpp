#pragma once

#include <optional>
#include <string_view>

#include "core/idempotency.hpp"
#include "http/message.hpp"

namespace infernode::http {

// Whether a client's key can be used: 1 to 255 visible ASCII characters.
bool is_idempotency_key(std::string_view key);

// The key of a request with a JSON body (or none); nullopt when the client sent none.
std::optional<IdempotencyKey> idempotency_key(const Request& request);
// The same for a body that is described by `body`.
std::optional<IdempotencyKey> idempotency_key(const Request& request, std::string_view body);

// The answer as a response.
Result<Response> answer_response(Result<Answer> answer);

}  // namespace infernode::http
