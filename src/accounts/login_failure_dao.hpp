#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <string>

#include "db/connection.hpp"

// Statements on "LoginFailures", one a function. A subject is an account or an address.
namespace infernode::login_failure_dao {

namespace asio = boost::asio;

struct Failures {
  int count = 0;
  int seconds_left = 0;  // of the window they are counted in
};
// Counts one more, in a new window when the last one has ended.
asio::awaitable<Failures> add(db::Connection& connection, std::string subject, int window_seconds);
// Takes one back.
asio::awaitable<void> subtract(db::Connection& connection, std::string subject);
asio::awaitable<void> remove(db::Connection& connection, std::string subject);
// Returns how many.
asio::awaitable<std::int64_t> delete_expired(db::Connection& connection, int limit);

}  // namespace infernode::login_failure_dao
