#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/id.hpp"
#include "db/pool.hpp"
#include "jobs/queue_hints.hpp"

// Statements on "Turns": whose turn it is.
namespace infernode::turn_dao {

namespace asio = boost::asio;

// A user that has as many segments under way as it may, and now may have more, is in the line
// again; wakes workers.
db::Command unpark(UserId user);
// The same for all users, in case something came in between.
db::Command unpark_all();
// Forgets who waits for nothing, and is owed nothing.
db::Command delete_idle();

// The lowest that waits for a worker with these offers, and in how many seconds the first lease
// ends.
db::Command look(std::vector<std::string> offers);
struct Look {
  QueueHints hints;
  std::optional<double> seconds_to_expiry;
  std::optional<double> seconds_to_due;  // of the first that goes before all turns; may be negative
};
Look look_from(const db::Rows& rows);

// How many may be under way of each who waits and has no limit of its own; returns whose changed.
asio::awaitable<std::int64_t> set_usual_limit(db::Executor& executor, std::optional<int> limit);

// Everybody who waits.
struct Line {
  UserId user;
  std::int64_t pass = 0;
  std::int64_t stride = 0;
  std::int64_t images = 0;  // not processed yet, of all jobs
};
asio::awaitable<std::vector<Line>> list(db::Executor& executor);

}  // namespace infernode::turn_dao
