#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>

#include "core/id.hpp"
#include "core/idempotency.hpp"
#include "db/connection.hpp"

// Statements on "IdempotencyKeys", one a function.
namespace infernode::idempotency_dao {

namespace asio = boost::asio;

// Takes the key for this transaction; false when it is taken. While another transaction that took
// it is open, waits for its end. An expired key is free.
asio::awaitable<bool> claim(db::Connection& transaction, UserId user, IdempotencyKey key);

struct Stored {
  bool same_request = false;
  Answer answer;
};
asio::awaitable<std::optional<Stored>> find(db::Connection& transaction, UserId user,
                                            IdempotencyKey key);
asio::awaitable<void> store(db::Connection& transaction, UserId user, IdempotencyKey key,
                            Answer answer);
// Returns how many.
asio::awaitable<std::int64_t> delete_expired(db::Connection& connection, int limit);

}  // namespace infernode::idempotency_dao
