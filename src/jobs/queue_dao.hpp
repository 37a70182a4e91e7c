#pragma once

#include <boost/asio/awaitable.hpp>

#include "db/pool.hpp"
#include "jobs/queue_state.hpp"

// The queue as a whole, for whoever watches it.
namespace infernode::queue_dao {

namespace asio = boost::asio;

// In one round trip. Workers are those heard of within `silence_seconds`.
asio::awaitable<QueueState> look(db::Executor& executor, int silence_seconds);

}  // namespace infernode::queue_dao
