#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>

#include "core/id.hpp"
#include "core/tokens.hpp"
#include "credits/ledger.hpp"
#include "db/connection.hpp"

// Statements on "Holds", one a function.
namespace infernode::hold_dao {

namespace asio = boost::asio;

asio::awaitable<void> insert(db::Connection& transaction, JobId job, UserId user, Tokens amount);
// Moves `amount` of what is held to what is settled; false when the hold is closed.
asio::awaitable<bool> settle(db::Connection& transaction, JobId job, Tokens amount);

// Releases what was not settled or, with `everything`, also what was. nullopt when the hold was
// closed before.
asio::awaitable<std::optional<ClosedHold>> close(db::Connection& transaction, JobId job,
                                                 bool everything);

}  // namespace infernode::hold_dao
