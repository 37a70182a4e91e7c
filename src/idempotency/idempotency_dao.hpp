#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>

#include "core/id.hpp"
#include "db/pool.hpp"
#include "idempotency/idempotency.hpp"

// Statements on "IdempotencyKeys", one a function.
namespace infernode::idempotency_dao {

namespace asio = boost::asio;

// Takes the key for this transaction: affects no row when it is taken. While another transaction
// that took it is open, waits for its end. An expired key is free.
db::Command claim(UserId user, const IdempotencyKey& key);

struct Stored {
  bool same_request = false;
  Answer answer;
};
asio::awaitable<std::optional<Stored>> find(db::Executor& executor, UserId user,
                                            IdempotencyKey key);
void store(db::Transaction& transaction, UserId user, const IdempotencyKey& key,
           const Answer& answer);
// Returns how many.
asio::awaitable<std::int64_t> delete_expired(db::Executor& executor, int limit);

}  // namespace infernode::idempotency_dao
