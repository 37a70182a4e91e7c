#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>

#include "core/id.hpp"
#include "core/tokens.hpp"
#include "db/connection.hpp"

// Statements on "Holds", one a function.
namespace infernode::hold_dao {

namespace asio = boost::asio;

asio::awaitable<void> insert(db::Connection& transaction, JobId job, UserId user, Tokens amount);
// Moves `amount` of what is held to what is settled.
asio::awaitable<void> settle(db::Connection& transaction, JobId job, Tokens amount);

struct ClosedHold {
  UserId user;
  Tokens settled;
  Tokens released;
};
// Releases what was not settled or, with `everything`, also what was. nullopt when the hold was
// closed before.
asio::awaitable<std::optional<ClosedHold>> close(db::Connection& transaction, JobId job,
                                                 bool everything);

}  // namespace infernode::hold_dao
