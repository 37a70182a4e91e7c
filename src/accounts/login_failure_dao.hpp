#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "db/pool.hpp"

// Statements on "LoginFailures", one a function. A subject is what attempts are counted for.
namespace infernode::login_failure_dao {

namespace asio = boost::asio;

struct Subject {
  std::string name;
  int limit = 0;  // of failures and attempts under way together
};
struct Attempts {
  std::string subject;
  int failures = 0;
  int pending = 0;       // the new one included
  int seconds_left = 0;  // of the window they are counted in
  bool begun = false;    // false: the limit was reached before
};
// One more attempt is under way for each of `subjects`; in a new window where the last has ended.
// Where the limit of one is reached already nothing is written, and only those come back.
asio::awaitable<std::vector<Attempts>> begin(db::Executor& executor, std::vector<Subject> subjects,
                                             int window_seconds);
// The attempt is over: it failed, or it counts for nothing.
asio::awaitable<void> end(db::Executor& executor, std::vector<std::string> subjects, bool failed);
// Forgets earlier failures.
asio::awaitable<void> forgive(db::Executor& executor, std::vector<std::string> subjects);
// Returns how many.
asio::awaitable<std::int64_t> delete_expired(db::Executor& executor, int limit);

}  // namespace infernode::login_failure_dao
