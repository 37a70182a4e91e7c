#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>
#include <utility>
#include <vector>

#include "db/pool.hpp"
#include "events/event.hpp"

// Statements on "Events". Rows are written by triggers: see the migration.
namespace infernode::event_dao {

namespace asio = boost::asio;

// Where somebody is in a user's events.
struct Place {
  UserId user;
  std::int64_t after = 0;  // the last one that is known
};

// The number of the user's newest event; 0 when there was none yet.
asio::awaitable<std::int64_t> last_id(db::Executor& executor, UserId user);
// The user's events behind `after`, at most `limit`, ascending.
asio::awaitable<std::vector<Event>> list_after(db::Executor& executor, Place place, int limit);
// Those of many users, at most `limit` of each, ascending.
asio::awaitable<std::vector<std::pair<UserId, Event>>> list_news(db::Executor& executor,
                                                                 std::vector<Place> places,
                                                                 int limit);
// Those who have newer events.
asio::awaitable<std::vector<UserId>> list_behind(db::Executor& executor, std::vector<Place> places);
asio::awaitable<std::vector<RunningJob>> list_running(db::Executor& executor,
                                                      std::vector<UserId> users);
// Has the hubs of all processes hear that these users have news.
asio::awaitable<void> announce(db::Executor& executor, std::vector<std::string> users);
// Forgets about `limit` at most of what is older, but no user's newest; returns how many. 0 also
// while somebody else does so.
asio::awaitable<std::int64_t> remove_older(db::Executor& executor, int seconds, int limit);

}  // namespace infernode::event_dao
