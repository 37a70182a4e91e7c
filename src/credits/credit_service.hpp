#pragma once

#include <boost/asio/awaitable.hpp>
#include <vector>

#include "core/error.hpp"
#include "core/page.hpp"
#include "credits/ledger.hpp"
#include "credits/ledger_repository.hpp"

namespace infernode {

// Moves tokens. Every change is one ledger entry in the caller's transaction: what is rolled back
// was never charged.
class CreditService {
public:
  CreditService(LedgerRepository& ledger, PriceList prices) : ledger_{ledger}, prices_{prices} {}

  const PriceList& prices() const { return prices_; }
  // Takes change.amount from the balance. Fails with insufficient_tokens rather than letting it
  // fall below zero; nothing was changed then. Charging nothing writes nothing.
  asio::awaitable<Result<void>> charge(db::Connection& transaction, LedgerChange change);
  // Gives change.amount back. Refunding nothing writes nothing.
  asio::awaitable<void> refund(db::Connection& transaction, LedgerChange change);
  // Zero for a user that is gone.
  asio::awaitable<Tokens> balance(UserId user);
  asio::awaitable<Tokens> balance(db::Connection& transaction, UserId user);
  asio::awaitable<std::vector<LedgerEntry>> list(UserId user, PageRequest page);

private:
  LedgerRepository& ledger_;
  PriceList prices_;
};

}  // namespace infernode
