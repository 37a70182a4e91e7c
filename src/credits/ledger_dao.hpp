#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <vector>

#include "core/page.hpp"
#include "credits/ledger.hpp"
#include "db/pool.hpp"

// Statements on "LedgerEntries" and the balance in "Users", one a function.
namespace infernode::ledger_dao {

namespace asio = boost::asio;

// Writes the entry; the database moves the balance, numbers and chains it. Returns the new balance;
// nullopt, and nothing is changed, when it would fall below zero or the user is unknown.
asio::awaitable<std::optional<Tokens>> post_if_covered(db::Executor& executor, LedgerChange change);
// Takes the price of several jobs: an entry a job. False, and nothing is changed, when the balance
// does not cover all of them.
asio::awaitable<bool> post_holds_if_covered(db::Transaction& transaction, UserId user,
                                            std::vector<NewHold> holds);
void post_refunds(db::Transaction& transaction, const std::vector<Refund>& refunds);
asio::awaitable<std::optional<Tokens>> balance(db::Executor& executor, UserId user);
// `balance` gets it with the next round trip.
void read_balance(db::Transaction& transaction, UserId user, Tokens& balance);
// Up to `limit` entries of a user, of one kind if it is given, newest first.
asio::awaitable<std::vector<LedgerEntry>> list(db::Executor& executor, UserId user,
                                               std::optional<LedgerKind> kind,
                                               std::optional<Cursor> after, int limit);

// Up to `limit` entries of all chains in their order, after entry `seq` of `user`.
asio::awaitable<std::vector<ChainedEntry>> list_chained(db::Executor& executor, UserId user,
                                                        std::int64_t seq, int limit);
asio::awaitable<std::int64_t> count_accounts(db::Executor& executor);
// Accounts that have no entry: up to `limit` of them, and how many there are.
struct EmptyAccounts {
  std::vector<UserId> users;
  std::int64_t count = 0;
};
asio::awaitable<EmptyAccounts> list_empty_accounts(db::Executor& executor, int limit);

}  // namespace infernode::ledger_dao
