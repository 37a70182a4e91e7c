#pragma once

#include <boost/asio/awaitable.hpp>
#include <vector>

#include "core/page.hpp"
#include "credits/ledger.hpp"
#include "db/pool.hpp"

namespace infernode {

namespace asio = boost::asio;

// The ledger's reads and its two kinds of change. Changes join the caller's transaction, since a
// charge belongs to what it pays for.
class LedgerRepository {
public:
  explicit LedgerRepository(db::Pool& pool) : pool_{pool} {}

  asio::awaitable<std::optional<Tokens>> change_if_covered(db::Connection& transaction,
                                                           LedgerChange change, Tokens amount);
  asio::awaitable<std::optional<Tokens>> balance(UserId user);
  asio::awaitable<std::optional<Tokens>> balance(db::Connection& transaction, UserId user);
  // One entry more than the page holds, when there are more.
  asio::awaitable<std::vector<LedgerEntry>> list(UserId user, PageRequest page);

private:
  db::Pool& pool_;
};

}  // namespace infernode
