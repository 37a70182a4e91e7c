#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "core/error.hpp"
#include "db/pool.hpp"
#include "idempotency/idempotency.hpp"

namespace infernode {

namespace asio = boost::asio;

// Runs what spends or creates: in one transaction, and once for each key. Belongs to one
// single-threaded executor. `database` must outlive it.
class IdempotencyService {
public:
  // Everything a request changes, in the given transaction, and the answer to it. With a key it may
  // be run again, in a new transaction, after the one before was rolled back.
  using Effect = std::function<asio::awaitable<Result<Answer>>(db::Transaction& transaction)>;

  explicit IdempotencyService(db::Pool& database) : database_{database} {}

  // Runs `effect` and commits what it did together with its answer; an Error, an exception or the
  // end of the process leaves nothing. With a key that was used within 24 hours the first answer
  // comes back and nothing is done; a duplicate that runs at the same time waits for the first.
  // invalid: the key was used for another request. Errors are not stored: a request that did
  // nothing may be tried again with its key. The key is claimed in the round trip of the effect's
  // first statement and stored in that of the commit, so it costs none of its own.
  asio::awaitable<Result<Answer>> act(UserId user, std::optional<IdempotencyKey> key,
                                      Effect effect);
  // Whether an answer is stored under the key (for whatever request).
  asio::awaitable<bool> knows(UserId user, IdempotencyKey key);
  // Deletes what has expired; returns how many.
  asio::awaitable<std::int64_t> sweep();

private:
  asio::awaitable<Result<Answer>> act_alone(UserId user, std::optional<IdempotencyKey> key,
                                            Effect effect);

  db::Pool& database_;
  // Keys under way in this process, each with a timer that is cancelled at the end: duplicates wait
  // there and hold no database connection meanwhile. Shared: a coroutine that is dropped when the
  // server stops may outlive this service.
  using Running = std::map<std::string, std::shared_ptr<asio::steady_timer>>;
  std::shared_ptr<Running> running_ = std::make_shared<Running>();
};

}  // namespace infernode
