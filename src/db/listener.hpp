#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <string>
#include <vector>

#include "db/connection.hpp"

namespace infernode::db {

// LISTENs to `channels` on a connection of its own until cancelled and calls `handle` for each
// notification; runs the statements of `setup` on it first. When the connection is lost it
// reconnects with growing delays (1 to 5 s) and calls `handle` once with an empty channel, since
// notifications may have been missed.
asio::awaitable<void> listen(std::string conninfo, std::vector<std::string> channels,
                             std::function<void(const Notification&)> handle,
                             std::vector<std::string> setup = {});

}  // namespace infernode::db
