#include "idempotency/idempotency_service.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "idempotency/idempotency_dao.hpp"

namespace infernode {
namespace {

constexpr int kSweepBatch = 1000;

// Thrown through the effect's first statement, whose result it must not see.
struct KeyTaken {};

}  // namespace

asio::awaitable<Result<Answer>> IdempotencyService::act(UserId user,
                                                        std::optional<IdempotencyKey> key,
                                                        Effect effect) {
  if (!key) {
    co_return co_await act_alone(user, std::nullopt, std::move(effect));
  }
  const std::string id = user.to_string() + key->key;
  for (auto found = running_->find(id); found != running_->end(); found = running_->find(id)) {
    const auto timer = found->second;
    boost::system::error_code ignored;
    co_await timer->async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
  const auto timer = std::make_shared<asio::steady_timer>(co_await asio::this_coro::executor,
                                                          asio::steady_timer::time_point::max());
  running_->emplace(id, timer);
  const std::shared_ptr<void> end{nullptr, [running = running_, id, timer](void* /*unused*/) {
                                    running->erase(id);
                                    timer->cancel();
                                  }};
  co_return co_await act_alone(user, std::move(key), std::move(effect));
}

asio::awaitable<bool> IdempotencyService::knows(UserId user, IdempotencyKey key) {
  const auto stored = co_await idempotency_dao::find(database_, user, std::move(key));
  co_return stored.has_value();
}

asio::awaitable<std::int64_t> IdempotencyService::sweep() {
  std::int64_t total = 0;
  for (;;) {
    const std::int64_t deleted = co_await idempotency_dao::delete_expired(database_, kSweepBatch);
    total += deleted;
    if (deleted < kSweepBatch) {
      co_return total;
    }
  }
}

asio::awaitable<Result<Answer>> IdempotencyService::act_alone(UserId user,
                                                              std::optional<IdempotencyKey> key,
                                                              Effect effect) {
  for (;;) {
    auto transaction = co_await database_.begin();
    if (key) {
      transaction.queue(idempotency_dao::claim(user, *key), [](const db::Rows& rows) {
        if (rows.affected() != 1) {
          throw KeyTaken{};
        }
      });
    }
    bool taken = false;
    try {
      auto answer = co_await effect(transaction);
      if (!answer) {
        co_return answer.error();
      }
      if (key) {
        idempotency_dao::store(transaction, user, *key, *answer);
      }
      co_await transaction.commit();
      co_return std::move(*answer);
    } catch (const KeyTaken&) {
      taken = true;  // what the effect did in this transaction is rolled back
    }
    if (taken) {
      auto stored = co_await idempotency_dao::find(transaction, user, *key);
      if (stored && !stored->same_request) {
        Error error{ErrorCode::invalid, "This Idempotency-Key was used for another request."};
        error.fields.push_back(FieldError{"Idempotency-Key", "was used for another request"});
        co_return error;
      }
      if (stored) {
        co_return std::move(stored->answer);
      }
      // It was there and expired in between: the sweep took it, so it is free.
    }
  }
}

}  // namespace infernode
