#include "credits/credit_service.hpp"

#include <fmt/format.h>

#include "core/json.hpp"

namespace infernode {
namespace {

std::logic_error closed_too_early(JobId job) {
  return std::logic_error("the hold of job " + job.to_string() +
                          " was closed before the job ended");
}

}  // namespace

Error insufficient_tokens(Tokens required, Tokens available) {
  Error error{ErrorCode::insufficient_tokens,
              fmt::format("This costs {} tokens and {} are available.", required.to_string(),
                          available.to_string())};
  error.required = required;
  error.available = available;
  return error;
}

asio::awaitable<Result<void>> CreditService::charge(db::Connection& transaction,
                                                    LedgerChange change) {
  const UserId user = change.user;
  const Tokens amount = change.amount;
  if (amount == Tokens{}) {
    co_return Result<void>{};
  }
  change.amount = -amount;
  const auto balance = co_await ledger_.post_if_covered(transaction, std::move(change));
  if (balance) {
    co_return Result<void>{};
  }
  // On the same connection: waiting for a second one while holding the first can lock up the pool.
  const Tokens available = co_await this->balance(transaction, user);
  co_return insufficient_tokens(amount, available);
}

asio::awaitable<Result<void>> CreditService::charge_upload(db::Connection& transaction, UserId user,
                                                           VideoId video, Tokens amount,
                                                           std::string note) {
  LedgerChange change{
      .user = user, .kind = "upload", .amount = amount, .video = video, .note = std::move(note)};
  co_return co_await charge(transaction, std::move(change));
}

asio::awaitable<Result<void>> CreditService::hold(db::Connection& transaction, UserId user,
                                                  JobId job, VideoId video, Tokens amount,
                                                  std::string note) {
  LedgerChange change{.user = user,
                      .kind = "job",
                      .amount = amount,
                      .job = job,
                      .video = video,
                      .note = std::move(note)};
  const auto charged = co_await charge(transaction, std::move(change));
  if (!charged) {
    co_return charged.error();
  }
  co_await ledger_.add_hold(transaction, job, user, amount);
  co_return Result<void>{};
}

asio::awaitable<void> CreditService::settle(db::Connection& transaction, JobId job, Tokens amount) {
  const bool settled = co_await ledger_.settle_hold(transaction, job, amount);
  if (!settled) {
    throw closed_too_early(job);
  }
}

asio::awaitable<ClosedHold> CreditService::close_hold(db::Connection& transaction, JobId job,
                                                      bool everything) {
  const auto hold = co_await ledger_.close_hold(transaction, job, everything);
  if (!hold) {
    throw closed_too_early(job);
  }
  co_return *hold;
}

asio::awaitable<void> CreditService::refund(db::Connection& transaction, ClosedHold hold, JobId job,
                                            VideoId video, std::string note) {
  if (hold.released > Tokens{}) {
    LedgerChange change{.user = hold.user,
                        .kind = "refund",
                        .amount = hold.released,
                        .job = job,
                        .video = video,
                        .note = std::move(note)};
    co_await ledger_.post_if_covered(transaction, std::move(change));
  }
}

asio::awaitable<Result<Tokens>> CreditService::recharge(db::Connection& transaction, UserId admin,
                                                        UserId user, Tokens amount,
                                                        std::optional<std::string> note) {
  const auto before = co_await ledger_.balance(transaction, user);
  if (!before) {
    co_return Error{ErrorCode::not_found, "There is no such user."};
  }
  // Half of the range is left, so that refunds always find room.
  if (before->thousandths() + amount.thousandths() > Tokens::kMaxThousandths / 2) {
    Error error{ErrorCode::invalid, "The balance would become larger than an amount can be."};
    error.fields.push_back(FieldError{"/tokens", "is too much"});
    co_return error;
  }
  LedgerChange change{
      .user = user, .kind = "recharge", .amount = amount, .admin = admin, .note = std::move(note)};
  const auto balance = co_await ledger_.post_if_covered(transaction, std::move(change));
  if (!balance) {
    co_return Error{ErrorCode::not_found, "There is no such user."};
  }
  AuditedAct act{.admin = admin,
                 .action = "user.recharge",
                 .user = user,
                 .details = {{"tokens", json_tokens(amount)}}};
  co_await audit_.record(transaction, std::move(act));
  co_return *balance;
}

asio::awaitable<Tokens> CreditService::balance(db::Connection& transaction, UserId user) {
  const auto balance = co_await ledger_.balance(transaction, user);
  co_return balance.value_or(Tokens{});
}

asio::awaitable<std::vector<LedgerEntry>> CreditService::list(UserId user, PageRequest page) {
  co_return co_await ledger_.list(user, page);
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
  co_return co_await ledger_.check();
}

}  // namespace infernode
