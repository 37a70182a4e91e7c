#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>
#include <vector>

#include "db/pool.hpp"

namespace infernode::db {

// Asks the database for a sign of life every second, on a connection of its own, for ever. While
// there is none (a server that is paused, cut off or away) `pools` are suspended, so that nobody
// waits for an answer that does not come; 6 s at most pass before that. They must outlive it.
asio::awaitable<void> watch_pulse(std::string conninfo, std::vector<Pool*> pools);

}  // namespace infernode::db
