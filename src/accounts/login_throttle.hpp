#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <string>

#include "core/error.hpp"
#include "db/pool.hpp"

namespace infernode {

namespace asio = boost::asio;

struct ThrottleSettings {
  int failures_per_account = 10;  // from one address
  int failures_per_address = 100;
  int registrations_per_address = 100;
  int window_seconds = 900;
};

// Slows down whoever guesses passwords: so many failures of an account from an address, from an
// address, and (ten times the first figure) of an account from anywhere, in a window of time. So
// one address alone cannot lock somebody out elsewhere. Counted in the database, for all servers of
// an installation together; attempts under way count too, so that many at once do not slip through.
class LoginThrottle {
public:
  LoginThrottle(db::Executor& database, ThrottleSettings settings)
      : database_{database}, settings_{settings} {}

  // How an attempt ended: the password was right, wrong, or never looked at.
  enum class Outcome { right, wrong, unknown };

  // Begins an attempt; end() must follow unless it is refused. too_many_requests, with when to come
  // back, beyond a limit. `account`: an e-mail address in lower case, known or not. `address`:
  // where the client is; IPv6 counts by its /64 network.
  asio::awaitable<Result<void>> begin(std::string account, std::string address);
  asio::awaitable<void> end(std::string account, std::string address, Outcome outcome);
  // Counts an account that is being opened. too_many_requests as above.
  asio::awaitable<Result<void>> count_registration(std::string address);
  // Deletes ended windows; returns how many.
  asio::awaitable<std::int64_t> sweep();

private:
  db::Executor& database_;
  ThrottleSettings settings_;
};

}  // namespace infernode
