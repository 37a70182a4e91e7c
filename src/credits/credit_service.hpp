#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <memory>
#include <vector>

#include "audit/audit_service.hpp"
#include "core/error.hpp"
#include "core/page.hpp"
#include "credits/ledger.hpp"
#include "db/pool.hpp"

namespace infernode {

// Moves tokens. Every change is one ledger entry in the caller's transaction: what is rolled back
// was never charged. Everything it is given must outlive it.
class CreditService {
public:
  CreditService(db::Pool& database, AuditService& audit, PriceList prices)
      : database_{database}, audit_{audit}, prices_{prices} {}

  const PriceList& prices() const { return prices_; }

  // Takes `amount` for an upload. insufficient_tokens, and nothing is changed, rather than a
  // balance below zero. Charging nothing writes nothing.
  asio::awaitable<Result<void>> charge_upload(db::Transaction& transaction, UserId user,
                                              VideoId video, Tokens amount, std::string note);

  // Puts the prices of jobs on hold: they leave the balance, all or none. insufficient_tokens as
  // above. The jobs are in the database already.
  asio::awaitable<Result<void>> hold(db::Transaction& transaction, UserId user,
                                     std::vector<NewHold> holds);
  // A part of what is held has been earned.
  void settle(db::Transaction& transaction, JobId job, Tokens amount);
  // Ends holds. What was not settled or, with `everything`, also what was is to be given back by
  // refund(), which comes once every lock on jobs is taken: the account is locked last.
  asio::awaitable<std::vector<ClosedHold>> close_holds(db::Transaction& transaction,
                                                       std::vector<JobId> jobs, bool everything);
  // Amounts of zero are left out.
  void refund(db::Transaction& transaction, std::vector<Refund> refunds);

  // An administrator adds tokens. not_found: no such user. invalid: the balance would leave what
  // an amount can be. Returns the new balance.
  asio::awaitable<Result<Tokens>> recharge(db::Transaction& transaction, UserId admin, UserId user,
                                           Tokens amount, std::optional<std::string> note);

  // Zero for a user that is gone.
  asio::awaitable<Tokens> balance(UserId user);
  asio::awaitable<Tokens> balance(db::Transaction& transaction, UserId user);
  // `balance`, which must live until then, gets it with the transaction's next round trip.
  void read_balance(db::Transaction& transaction, UserId user, Tokens& balance);
  // What all users together have on hold.
  asio::awaitable<Tokens> held();
  asio::awaitable<std::vector<LedgerEntry>> list(UserId user, PageRequest page,
                                                 std::optional<LedgerKind> kind = {});
  // Every balance against its entries, every entry against its chain. too_many_requests while a
  // check is under way.
  asio::awaitable<Result<LedgerReport>> check();

private:
  asio::awaitable<Result<void>> charge(db::Transaction& transaction, LedgerChange change);

  db::Pool& database_;
  AuditService& audit_;
  PriceList prices_;
  std::shared_ptr<bool> checking_ = std::make_shared<bool>(false);
};

// insufficient_tokens, with both figures.
Error insufficient_tokens(Tokens required, Tokens available);

// Reads every chain once, on one snapshot, and says what is wrong. Memory does not grow with the
// ledger. `connection` is in no transaction.
asio::awaitable<LedgerReport> check_ledger(db::Connection& connection);

}  // namespace infernode
