#include "idempotency/once_routes.hpp"

#include "core/json.hpp"
#include "idempotency/request_key.hpp"

namespace infernode {

void OnceRoutes::on(const std::string& operation_id, Handler handler) {
  router_.on(operation_id,
             [&once = once_, handler = std::move(handler)](
                 http::Request& request) -> asio::awaitable<Result<http::Response>> {
               IdempotencyService::Effect effect = [&](db::Transaction& transaction) {
                 return handler(transaction, request);
               };
               auto key = idempotency_key(request);
               auto answer = co_await once.act(request.user(), std::move(key), std::move(effect));
               co_return answer_response(std::move(answer));
             });
}

Answer json_answer(int status, const boost::json::value& value) {
  return {status, json_text(value)};
}

}  // namespace infernode
