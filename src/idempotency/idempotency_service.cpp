#include "idempotency/idempotency_service.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace infernode {

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
  co_return co_await keys_.knows(user, std::move(key));
}

asio::awaitable<Result<Answer>> IdempotencyService::act_alone(UserId user,
                                                              std::optional<IdempotencyKey> key,
                                                              Effect effect) {
  const auto transaction = co_await keys_.begin();
  if (key) {
    auto stored = co_await keys_.claim(*transaction, user, *key);
    if (stored && !stored->same_request) {
      Error error{ErrorCode::invalid, "This Idempotency-Key was used for another request."};
      error.fields.push_back(FieldError{"Idempotency-Key", "was used for another request"});
      co_return error;
    }
    if (stored) {
      co_return std::move(stored->answer);
    }
  }
  auto answer = co_await effect(*transaction);
  if (!answer) {
    co_return answer.error();
  }
  if (key) {
    co_await keys_.store(*transaction, user, std::move(*key), *answer);
  }
  co_await transaction.commit();
  co_return std::move(*answer);
}

}  // namespace infernode
