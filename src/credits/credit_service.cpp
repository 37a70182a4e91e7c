#include "credits/credit_service.hpp"

#include <fmt/format.h>

namespace infernode {

asio::awaitable<Result<void>> CreditService::charge(db::Connection& transaction,
                                                    LedgerChange change) {
  const UserId user = change.user;
  const Tokens amount = change.amount;
  if (amount == Tokens{}) {
    co_return Result<void>{};
  }
  const auto balance = co_await ledger_.change_if_covered(transaction, std::move(change), -amount);
  if (balance) {
    co_return Result<void>{};
  }
  // On the same connection: waiting for a second one while holding the first can lock up the pool.
  const Tokens available = co_await this->balance(transaction, user);
  Error error{ErrorCode::insufficient_tokens,
              fmt::format("This costs {} tokens and {} are available.", amount.to_string(),
                          available.to_string())};
  error.required = amount;
  error.available = available;
  co_return error;
}

asio::awaitable<void> CreditService::refund(db::Connection& transaction, LedgerChange change) {
  const Tokens amount = change.amount;
  if (amount != Tokens{}) {
    co_await ledger_.change_if_covered(transaction, std::move(change), amount);
  }
}

asio::awaitable<Tokens> CreditService::balance(UserId user) {
  const auto balance = co_await ledger_.balance(user);
  co_return balance.value_or(Tokens{});
}

asio::awaitable<Tokens> CreditService::balance(db::Connection& transaction, UserId user) {
  const auto balance = co_await ledger_.balance(transaction, user);
  co_return balance.value_or(Tokens{});
}

asio::awaitable<std::vector<LedgerEntry>> CreditService::list(UserId user, PageRequest page) {
  co_return co_await ledger_.list(user, page);
}

}  // namespace infernode
