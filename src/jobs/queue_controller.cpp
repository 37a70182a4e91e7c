#include "jobs/queue_controller.hpp"

#include "jobs/queue_document.hpp"

namespace infernode {

void add_queue_routes(http::Router& router, SegmentService& segments) {
  router.on("getQueue",
            [&segments](http::Request&) -> http::asio::awaitable<Result<http::Response>> {
              const auto queue = co_await segments.look_at_queue();
              co_return http::json_response(200, queue_json(queue));
            });
}

}  // namespace infernode
