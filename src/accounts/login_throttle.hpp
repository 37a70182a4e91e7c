#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <string>

#include "core/error.hpp"
#include "db/pool.hpp"

namespace infernode {

namespace asio = boost::asio;

struct ThrottleSettings {
  int failures_per_account = 10;
  int failures_per_address = 100;
  int window_seconds = 900;
};

// Slows down whoever guesses passwords: so many failures of an account, and so many from an
// address, in a window of time. Counted in the database, for all servers of an installation
// together, and before the password is looked at, so that many guesses at once do not slip through.
class LoginThrottle {
public:
  LoginThrottle(db::Pool& pool, ThrottleSettings settings) : pool_{pool}, settings_{settings} {}

  // Counts an attempt as a failure until told otherwise. too_many_requests, with when to come back,
  // beyond a limit. `account`: an e-mail address in lower case, known or not. `address`: where the
  // client is; IPv6 counts by its /64 network.
  asio::awaitable<Result<void>> enter(std::string account, std::string address);
  // The attempt was no failure: the password was right, ...
  asio::awaitable<void> succeeded(std::string account, std::string address);
  // ... or it was never looked at.
  asio::awaitable<void> withdraw(std::string account, std::string address);
  // Deletes ended windows; returns how many.
  asio::awaitable<std::int64_t> sweep();

private:
  db::Pool& pool_;
  ThrottleSettings settings_;
};

// What an address is counted as: itself or, for IPv6, its /64 network.
std::string throttled_address(const std::string& address);

}  // namespace infernode
