#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>

#include "db/pool.hpp"
#include "idempotency/idempotency_dao.hpp"

namespace infernode {

namespace asio = boost::asio;

class IdempotencyRepository {
public:
  explicit IdempotencyRepository(db::Pool& pool) : pool_{pool} {}

  asio::awaitable<db::Transaction> begin();
  // Takes the key for this transaction, or gives what is stored under it. nullopt: taken now.
  asio::awaitable<std::optional<idempotency_dao::Stored>> claim(db::Connection& transaction,
                                                                UserId user, IdempotencyKey key);
  asio::awaitable<void> store(db::Connection& transaction, UserId user, IdempotencyKey key,
                              Answer answer);
  asio::awaitable<bool> knows(UserId user, IdempotencyKey key);
  // Deletes what has expired; returns how many.
  asio::awaitable<std::int64_t> sweep();

private:
  db::Pool& pool_;
};

}  // namespace infernode
