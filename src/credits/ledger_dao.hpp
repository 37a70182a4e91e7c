#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <vector>

#include "core/page.hpp"
#include "credits/ledger.hpp"
#include "db/connection.hpp"

// Statements on "LedgerEntries" and the balance in "Users", one a function.
namespace infernode::ledger_dao {

namespace asio = boost::asio;

// Changes the balance by `amount` (signed) and writes the entry, in one statement. Returns the new
// balance; nullopt, and nothing is changed, when it would fall below zero or the user is unknown.
asio::awaitable<std::optional<Tokens>> change_if_covered(db::Connection& connection,
                                                         LedgerChange change, Tokens amount);
asio::awaitable<std::optional<Tokens>> balance(db::Connection& connection, UserId user);
// Up to `limit` entries of a user, newest first.
asio::awaitable<std::vector<LedgerEntry>> list(db::Connection& connection, UserId user,
                                               std::optional<Cursor> after, int limit);

}  // namespace infernode::ledger_dao
