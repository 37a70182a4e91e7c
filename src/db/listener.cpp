#include "db/listener.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "core/log.hpp"

namespace infernode::db {
namespace {

asio::awaitable<void> listen_once(std::string conninfo, const std::vector<std::string>& channels,
                                  const std::function<void(const Notification&)>& handle,
                                  const std::vector<std::string>& setup, int& delay_seconds) {
  auto connection =
      co_await Connection::open(co_await asio::this_coro::executor, std::move(conninfo));
  for (const auto& statement : setup) {
    co_await connection->run_script(statement);
  }
  for (const auto& channel : channels) {
    co_await connection->run_script("LISTEN " + channel);
  }
  delay_seconds = 1;
  handle(Notification{});
  for (;;) {
    handle(co_await connection->next_notification());
  }
}

}  // namespace

asio::awaitable<void> listen(std::string conninfo, std::vector<std::string> channels,
                             std::function<void(const Notification&)> handle,
                             std::vector<std::string> setup) {
  for (int delay_seconds = 1;; delay_seconds = std::min(delay_seconds * 2, 5)) {
    try {
      co_await listen_once(conninfo, channels, handle, setup, delay_seconds);
    } catch (const Unavailable& error) {
      log::warn("listening for notifications: {}; trying again in {} s", error.what(),
                delay_seconds);
    }
    asio::steady_timer timer{co_await asio::this_coro::executor};
    timer.expires_after(std::chrono::seconds{delay_seconds});
    co_await timer.async_wait(asio::use_awaitable);
  }
}

}  // namespace infernode::db
