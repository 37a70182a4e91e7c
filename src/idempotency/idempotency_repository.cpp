#include "idempotency/idempotency_repository.hpp"

namespace infernode {
namespace {

constexpr int kSweepBatch = 1000;

}  // namespace

asio::awaitable<db::Transaction> IdempotencyRepository::begin() {
  co_return co_await pool_.begin();
}

asio::awaitable<std::optional<idempotency_dao::Stored>> IdempotencyRepository::claim(
    db::Connection& transaction, UserId user, IdempotencyKey key) {
  for (;;) {
    const bool taken = co_await idempotency_dao::claim(transaction, user, key);
    if (taken) {
      co_return std::nullopt;
    }
    auto stored = co_await idempotency_dao::find(transaction, user, key);
    if (stored) {
      co_return stored;
    }
    // It was there and expired in between: the sweep took it, so it is free.
  }
}

asio::awaitable<void> IdempotencyRepository::store(db::Connection& transaction, UserId user,
                                                   IdempotencyKey key, Answer answer) {
  co_await idempotency_dao::store(transaction, user, std::move(key), std::move(answer));
}

asio::awaitable<bool> IdempotencyRepository::knows(UserId user, IdempotencyKey key) {
  const auto connection = co_await pool_.acquire();
  const auto stored = co_await idempotency_dao::find(*connection, user, std::move(key));
  co_return stored.has_value();
}

asio::awaitable<std::int64_t> IdempotencyRepository::sweep() {
  std::int64_t total = 0;
  for (;;) {
    const auto connection = co_await pool_.acquire();
    const std::int64_t deleted = co_await idempotency_dao::delete_expired(*connection, kSweepBatch);
    total += deleted;
    if (deleted < kSweepBatch) {
      co_return total;
    }
  }
}

}  // namespace infernode
