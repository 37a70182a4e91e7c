#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "core/error.hpp"
#include "core/idempotency.hpp"
#include "idempotency/idempotency_repository.hpp"

namespace infernode {

// Runs what spends or creates: in one transaction, and once for each key. Belongs to one
// single-threaded executor.
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
  // Whether an answer is stored under the key (for whatever request).
  asio::awaitable<bool> knows(UserId user, IdempotencyKey key);
  asio::awaitable<std::int64_t> sweep() { return keys_.sweep(); }

private:
  asio::awaitable<Result<Answer>> act_alone(UserId user, std::optional<IdempotencyKey> key,
                                            Effect effect);

  IdempotencyRepository& keys_;
  // Keys under way in this process, each with a timer that is cancelled at the end: duplicates wait
  // there and hold no database connection meanwhile. Shared: a coroutine that is dropped when the
  // server stops may outlive this service.
  using Running = std::map<std::string, std::shared_ptr<asio::steady_timer>>;
  std::shared_ptr<Running> running_ = std::make_shared<Running>();
};

}  // namespace infernode
