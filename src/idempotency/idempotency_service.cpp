#include "idempotency/idempotency_service.hpp"

namespace infernode {

asio::awaitable<Result<Answer>> IdempotencyService::act(UserId user,
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
