#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <vector>

#include "core/page.hpp"
#include "credits/hold_dao.hpp"
#include "credits/ledger.hpp"
#include "db/pool.hpp"

namespace infernode {

namespace asio = boost::asio;

// The ledger and the holds. Changes join the caller's transaction, since a charge belongs to what
// it pays for.
class LedgerRepository {
public:
  explicit LedgerRepository(db::Pool& pool) : pool_{pool} {}

  // Returns the new balance; nullopt, and nothing is changed, when it would fall below zero or the
  // user is unknown.
  asio::awaitable<std::optional<Tokens>> post_if_covered(db::Connection& transaction,
                                                         LedgerChange change);
  asio::awaitable<std::optional<Tokens>> balance(db::Connection& transaction, UserId user);
  // One entry more than the page holds, when there are more.
  asio::awaitable<std::vector<LedgerEntry>> list(UserId user, PageRequest page);

  asio::awaitable<void> add_hold(db::Connection& transaction, JobId job, UserId user,
                                 Tokens amount);
  asio::awaitable<bool> settle_hold(db::Connection& transaction, JobId job, Tokens amount);
  asio::awaitable<std::optional<ClosedHold>> close_hold(db::Connection& transaction, JobId job,
                                                        bool everything);

  // Reads every chain once, on one snapshot, and says what is wrong. Memory does not grow with the
  // ledger.
  asio::awaitable<LedgerReport> check();

private:
  db::Pool& pool_;
};

// As LedgerRepository::check(), on a connection that is in no transaction.
asio::awaitable<LedgerReport> check_ledger(db::Connection& connection);

}  // namespace infernode
