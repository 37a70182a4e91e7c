#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <optional>

#include "core/error.hpp"
#include "core/idempotency.hpp"
#include "idempotency/idempotency_repository.hpp"

namespace infernode {

// Runs what spends or creates: in one transaction, and once for each key.
class IdempotencyService {
public:
  // Everything a request changes, in the given transaction, and the answer to it.
  using Effect = std::function<asio::awaitable<Result<Answer>>(db::Connection& transaction)>;

  explicit IdempotencyService(IdempotencyRepository& keys) : keys_{keys} {}

  // Runs `effect` and commits what it did together with its answer; an Error, an exception or the
  // end of the process leaves nothing. With a key that was used within 24 hours the first answer
  // comes back and nothing is done; a duplicate that runs at the same time waits for the first.
  // invalid: the key was used for another request. Errors are not stored: a request that did
  // nothing may be tried again with its key.
  asio::awaitable<Result<Answer>> act(UserId user, std::optional<IdempotencyKey> key,
                                      Effect effect);
  asio::awaitable<std::int64_t> sweep() { return keys_.sweep(); }

private:
  IdempotencyRepository& keys_;
};

}  // namespace infernode
