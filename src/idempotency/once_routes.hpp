#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <string>

#include "db/pool.hpp"
#include "http/router.hpp"
#include "idempotency/idempotency_service.hpp"

namespace infernode {

// Routes of what spends or creates: each request runs in one transaction, which is committed with
// its answer, and once for each Idempotency-Key. `router` and `once` must outlive it.
class OnceRoutes {
public:
  OnceRoutes(http::Router& router, IdempotencyService& once) : router_{router}, once_{once} {}

  // May be called again with the same request (see IdempotencyService::Effect): it moves nothing
  // out of it.
  using Handler = std::function<asio::awaitable<Result<Answer>>(db::Transaction& transaction,
                                                                http::Request& request)>;
  // Throws std::logic_error when the API document has no such operation.
  void on(const std::string& operation_id, Handler handler);

  // The answer's object, and members of it that are shown once: they are not stored, so a repeated
  // request is answered without them.
  struct SecretAnswer {
    Answer answer;
    boost::json::object shown_once;
  };
  using SecretHandler = std::function<asio::awaitable<Result<SecretAnswer>>(
      db::Transaction& transaction, http::Request& request)>;
  // As above, with `Cache-Control: no-store`.
  void on_secret(const std::string& operation_id, SecretHandler handler);

  http::Router& router() const { return router_; }
  IdempotencyService& once() const { return once_; }

private:
  http::Router& router_;
  IdempotencyService& once_;
};

// An answer with a JSON body.
Answer json_answer(int status, const boost::json::value& value);

}  // namespace infernode
