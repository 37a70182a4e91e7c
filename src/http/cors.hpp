#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/origin_set.hpp"
#include "http/message.hpp"

namespace infernode::http {

// What pages of other origins may do here (the CORS protocol of https://fetch.spec.whatwg.org).
// Never with credentials of the browser: such a page sends a token of its own.

// The answer to a browser's question whether a page may send what it means to send; nullopt for a
// request that is no such question, or of a page that may not.
std::optional<Response> preflight(const OriginSet& origins, const Request& request);
// Lets the page that sent the request read the answer.
void allow_reading(const OriginSet& origins, const Request& request, Response& response);

}  // namespace infernode::http
