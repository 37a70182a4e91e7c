#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <memory>
#include <vector>

#include "audit/audit_service.hpp"
#include "core/error.hpp"
#include "core/page.hpp"
#include "credits/ledger.hpp"
#include "credits/ledger_repository.hpp"

namespace infernode {

// Moves tokens. Every change is one ledger entry in the caller's transaction: what is rolled back
// was never charged. Everything it is given must outlive it.
class CreditService {
public:
  CreditService(LedgerRepository& ledger, AuditService& audit, PriceList prices)
      : ledger_{ledger}, audit_{audit}, prices_{prices} {}

  const PriceList& prices() const { return prices_; }

  // Takes `amount` for an upload. insufficient_tokens, and nothing is changed, rather than a
  // balance below zero. Charging nothing writes nothing.
  asio::awaitable<Result<void>> charge_upload(db::Connection& transaction, UserId user,
                                              VideoId video, Tokens amount, std::string note);

  // Puts a job's price on hold: it leaves the balance. insufficient_tokens as above.
  asio::awaitable<Result<void>> hold(db::Connection& transaction, UserId user, JobId job,
                                     VideoId video, Tokens amount, std::string note);
  // A part of what is held has been earned.
  asio::awaitable<void> settle(db::Connection& transaction, JobId job, Tokens amount);
  // Ends the hold. What was not settled or, with `everything`, also what was is to be given back by
  // refund(), which comes once every lock on jobs is taken: the account is locked last.
  asio::awaitable<ClosedHold> close_hold(db::Connection& transaction, JobId job, bool everything);
  asio::awaitable<void> refund(db::Connection& transaction, ClosedHold hold, JobId job,
                               VideoId video, std::string note);

  // An administrator adds tokens. not_found: no such user. invalid: the balance would leave what
  // an amount can be. Returns the new balance.
  asio::awaitable<Result<Tokens>> recharge(db::Connection& transaction, UserId admin, UserId user,
                                           Tokens amount, std::optional<std::string> note);

  // Zero for a user that is gone.
  asio::awaitable<Tokens> balance(db::Connection& transaction, UserId user);
  asio::awaitable<std::vector<LedgerEntry>> list(UserId user, PageRequest page);
  // Every balance against its entries, every entry against its chain. too_many_requests while a
  // check is under way.
  asio::awaitable<Result<LedgerReport>> check();

private:
  asio::awaitable<Result<void>> charge(db::Connection& transaction, LedgerChange change);

  LedgerRepository& ledger_;
  AuditService& audit_;
  PriceList prices_;
  std::shared_ptr<bool> checking_ = std::make_shared<bool>(false);
};

// insufficient_tokens, with both figures.
Error insufficient_tokens(Tokens required, Tokens available);

}  // namespace infernode
