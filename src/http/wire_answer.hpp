#pragma once

#include <string>
#include <string_view>

#include "http/message.hpp"
#include "http/session.hpp"

namespace infernode::http {

// Sends an answer; `date` is that of RFC 9110, 5.6.7. Of an answer to HTTP/1.0 whose length nobody
// knows the end is the connection's, so it must not be kept. Throws PeerGone, and what its source
// throws, when the peer has a part of it.
asio::awaitable<void> write_answer(Session& session, Response response, const Request& request,
                                   std::string date, bool keep_alive);

}  // namespace infernode::http
