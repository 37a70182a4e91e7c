#include "credits/credit_service.hpp"

#include <fmt/format.h>

#include "core/json.hpp"
#include "credits/chain_check.hpp"
#include "credits/hold_dao.hpp"
#include "credits/ledger_dao.hpp"

namespace infernode {
namespace {

constexpr int kCheckBatch = 500;  // some milliseconds of work, which the I/O thread can spare

}  // namespace

Error insufficient_tokens(Tokens required, Tokens available) {
  Error error{ErrorCode::insufficient_tokens,
              fmt::format("This costs {} tokens and {} are available.", required.to_string(),
                          available.to_string())};
  error.required = required;
  error.available = available;
  return error;
}

asio::awaitable<Result<void>> CreditService::charge(db::Transaction& transaction,
                                                    LedgerChange change) {
  const UserId user = change.user;
  const Tokens amount = change.amount;
  if (amount == Tokens{}) {
    co_return Result<void>{};
  }
  change.amount = -amount;
  const auto balance = co_await ledger_dao::post_if_covered(transaction, std::move(change));
  if (balance) {
    co_return Result<void>{};
  }
  // On the same connection: waiting for a second one while holding the first can lock up the pool.
  const Tokens available = co_await this->balance(transaction, user);
  co_return insufficient_tokens(amount, available);
}

asio::awaitable<Result<void>> CreditService::charge_upload(db::Transaction& transaction,
                                                           UserId user, VideoId video,
                                                           Tokens amount, std::string note) {
  LedgerChange change{.user = user,
                      .kind = LedgerKind::upload,
                      .amount = amount,
                      .video = video,
                      .note = std::move(note)};
  co_return co_await charge(transaction, std::move(change));
}

asio::awaitable<Result<void>> CreditService::hold(db::Transaction& transaction, UserId user,
                                                  std::vector<NewHold> holds) {
  Tokens total;
  for (const auto& hold : holds) {
    total = total + hold.amount;
  }
  hold_dao::insert(transaction, user, holds);
  const bool covered =
      co_await ledger_dao::post_holds_if_covered(transaction, user, std::move(holds));
  if (covered) {
    co_return Result<void>{};
  }
  const Tokens available = co_await balance(transaction, user);
  co_return insufficient_tokens(total, available);
}

void CreditService::settle(db::Transaction& transaction, JobId job, Tokens amount) {
  hold_dao::settle(transaction, job, amount);
}

asio::awaitable<std::vector<ClosedHold>> CreditService::close_holds(db::Transaction& transaction,
                                                                    std::vector<JobId> jobs,
                                                                    bool everything) {
  const auto count = jobs.size();
  auto holds = co_await hold_dao::close(transaction, std::move(jobs), everything);
  if (holds.size() != count) {
    throw std::logic_error("the hold of a job was closed before the job ended");
  }
  co_return holds;
}

void CreditService::refund(db::Transaction& transaction, std::vector<Refund> refunds) {
  std::erase_if(refunds, [](const Refund& refund) { return refund.amount <= Tokens{}; });
  if (!refunds.empty()) {
    ledger_dao::post_refunds(transaction, refunds);
  }
}

asio::awaitable<Result<Tokens>> CreditService::recharge(db::Transaction& transaction, UserId admin,
                                                        UserId user, Tokens amount,
                                                        std::optional<std::string> note) {
  const auto before = co_await ledger_dao::balance(transaction, user);
  if (!before) {
    co_return Error{ErrorCode::not_found, "There is no such user."};
  }
  // Half of the range is left, so that refunds always find room.
  if (before->thousandths() + amount.thousandths() > Tokens::kMaxThousandths / 2) {
    co_return invalid("/tokens", "The balance would become larger than an amount can be.");
  }
  LedgerChange change{.user = user,
                      .kind = LedgerKind::recharge,
                      .amount = amount,
                      .admin = admin,
                      .note = std::move(note)};
  const auto balance = co_await ledger_dao::post_if_covered(transaction, std::move(change));
  if (!balance) {
    co_return Error{ErrorCode::not_found, "There is no such user."};
  }
  AuditedAct act{.admin = admin,
                 .action = "user.recharge",
                 .user = user,
                 .details = {{"tokens", json_tokens(amount)}}};
  audit_.record(transaction, act);
  co_return *balance;
}

asio::awaitable<Tokens> CreditService::balance(UserId user) {
  const auto balance = co_await ledger_dao::balance(database_, user);
  co_return balance.value_or(Tokens{});
}

asio::awaitable<Tokens> CreditService::held() {
  co_return co_await hold_dao::sum_open(database_);
}

void CreditService::read_balance(db::Transaction& transaction, UserId user, Tokens& balance) {
  ledger_dao::read_balance(transaction, user, balance);
}

asio::awaitable<Tokens> CreditService::balance(db::Transaction& transaction, UserId user) {
  const auto balance = co_await ledger_dao::balance(transaction, user);
  co_return balance.value_or(Tokens{});
}

asio::awaitable<std::vector<LedgerEntry>> CreditService::list(UserId user, PageRequest page,
                                                              std::optional<LedgerKind> kind) {
  co_return co_await ledger_dao::list(database_, user, kind, page.after, page.limit + 1);
}

asio::awaitable<Result<LedgerReport>> CreditService::check() {
  if (*checking_) {
    co_return Error{ErrorCode::too_many_requests,
                    "A check of the ledger is under way; try again when it is done."};
  }
  *checking_ = true;
  // Shared: a coroutine that is dropped when the server stops may outlive this service.
  const std::shared_ptr<bool> end{checking_.get(),
                                  [flag = checking_](bool* /*unused*/) { *flag = false; }};
  const auto connection = co_await database_.acquire();
  co_return co_await check_ledger(*connection);
}

asio::awaitable<LedgerReport> check_ledger(db::Connection& connection) {
  const auto started = std::chrono::steady_clock::now();
  // One snapshot: entries that come in meanwhile belong to the next check.
  co_await connection.run_script("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
  ChainCheck check;
  UserId user;
  std::int64_t seq = 0;
  for (bool more = true; more;) {
    const auto batch = co_await ledger_dao::list_chained(connection, user, seq, kCheckBatch);
    for (const auto& entry : batch) {
      check.add(entry);
    }
    more = static_cast<int>(batch.size()) == kCheckBatch;
    if (more) {
      user = batch.back().user;
      seq = batch.back().seq;
    }
  }
  const auto empty = co_await ledger_dao::list_empty_accounts(connection, kCheckBatch);
  check.add_empty_accounts(empty.users, empty.count);
  const auto accounts = co_await ledger_dao::count_accounts(connection);
  co_await connection.run_script("COMMIT");
  auto report = check.finish();
  report.accounts = accounts;
  report.seconds = seconds_since(started);
  co_return report;
}

}  // namespace infernode
