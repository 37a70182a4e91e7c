#pragma once

#include <optional>

#include "http/message.hpp"

namespace infernode::http {

// What a request for a WebSocket must have (RFC 6455, 4.2.1): the answer where it has not; nullopt:
// it can be accepted.
std::optional<Response> refuse_handshake(const Request& request);

}  // namespace infernode::http
