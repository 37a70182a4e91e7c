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

void OnceRoutes::on_secret(const std::string& operation_id, SecretHandler handler) {
  router_.on(operation_id,
             [&once = once_, handler = std::move(handler)](
                 http::Request& request) -> asio::awaitable<Result<http::Response>> {
               boost::json::object shown_once;
               IdempotencyService::Effect effect =
                   [&](db::Transaction& transaction) -> asio::awaitable<Result<Answer>> {
                 auto made = co_await handler(transaction, request);
                 if (!made) {
                   co_return made.error();
                 }
                 shown_once = std::move(made->shown_once);
                 co_return std::move(made->answer);
               };
               auto key = idempotency_key(request);
               auto answer = co_await once.act(request.user(), std::move(key), std::move(effect));
               if (answer && !shown_once.empty()) {
                 auto body = boost::json::parse(answer->body);
                 for (auto& member : shown_once) {
                   body.as_object().insert(member);
                 }
                 answer->body = json_text(body);
               }
               auto response = answer_response(std::move(answer));
               if (response) {
                 response->headers.emplace_back("Cache-Control", "no-store");
               }
               co_return response;
             });
}

Answer json_answer(int status, const boost::json::value& value) {
  return {status, json_text(value)};
}

}  // namespace infernode
