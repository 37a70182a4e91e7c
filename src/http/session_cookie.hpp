#pragma once

#include <optional>
#include <string>

#include "core/error.hpp"
#include "http/message.hpp"

namespace infernode::http {

// The cookie by which a browser's session is known: no script can read it, and no page of another
// site makes the browser send it.

// Its value in a request; nullopt when there is none.
std::optional<std::string> session_cookie(const Request& request);
// The header Set-Cookie that makes a browser keep it for so many seconds; 0 ends it. Secure when
// the request came by https, as the server or a trusted proxy saw it.
std::string set_session_cookie(const Request& request, const std::string& value,
                               std::int64_t seconds);

// The origin (RFC 6454) of this server as the client sees it, "https://example.com": of Host or,
// from a trusted proxy, what its X-Forwarded-Proto, X-Forwarded-Host or Forwarded say.
std::string origin_of(const Request& request);
// forbidden: a page of another origin asks.
Error not_same_origin(const Request& request);

}  // namespace infernode::http
