#include "db/pulse.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <memory>
#include <optional>

#include "core/clock.hpp"
#include "core/log.hpp"

namespace infernode::db {
namespace {

constexpr Statement kBeat{"db.beat", "SELECT 1"};
constexpr std::chrono::seconds kInterval{1};
constexpr std::chrono::seconds kBeatLimit{5};

// What is wrong; nullopt when the database answered.
asio::awaitable<std::optional<std::string>> beat(std::unique_ptr<Connection>& connection,
                                                 std::string conninfo) {
  try {
    if (!connection) {
      connection = co_await Connection::open(co_await asio::this_coro::executor, conninfo);
      connection->set_answer_limit(kBeatLimit);
    }
    co_await connection->execute(kBeat);
    co_return std::nullopt;
  } catch (const std::exception& error) {
    // Whatever it is, there was no answer.
    connection.reset();
    co_return error.what();
  }
}

}  // namespace

asio::awaitable<void> watch_pulse(std::string conninfo, std::vector<Pool*> pools) {
  std::unique_ptr<Connection> connection;
  bool suspended = false;
  asio::steady_timer timer{co_await asio::this_coro::executor};
  for (;;) {
    const auto began = std::chrono::steady_clock::now();
    auto fault = co_await beat(connection, conninfo);
    if (fault && !suspended && seconds_since(began) < 1) {
      // A connection that was cut is no sign that the server is gone; one that cannot be made is.
      fault = co_await beat(connection, conninfo);
    }
    if (fault && !suspended) {
      log::warn("the database does not answer: {}", *fault);
      for (auto* pool : pools) {
        pool->suspend("the database does not answer");
      }
    } else if (!fault && suspended) {
      log::info("the database answers again");
    }
    if (!fault) {
      // Also when it is not this call that suspended them, but one that ended with a fault.
      for (auto* pool : pools) {
        pool->resume();
      }
    }
    suspended = fault.has_value();
    timer.expires_after(kInterval);
    co_await timer.async_wait(asio::use_awaitable);
  }
}

}  // namespace infernode::db
