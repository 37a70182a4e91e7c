#include "app/supervisor.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "core/clock.hpp"
#include "core/error.hpp"
#include "core/log.hpp"

namespace infernode::app {
namespace {

constexpr std::chrono::seconds kMaxDelay{30};

// What went wrong, in words; empty when nothing did.
asio::awaitable<std::string> run(const Supervisor::Service& service) {
  try {
    co_await service();
    co_return std::string{};
  } catch (const std::exception& error) {
    co_return std::string{error.what()};
  }
}

asio::awaitable<void> wait(asio::io_context& context, std::chrono::steady_clock::duration time) {
  asio::steady_timer timer{context, time};
  co_await timer.async_wait(asio::use_awaitable);
}

asio::awaitable<void> keep_running(asio::io_context& context, std::string name,
                                   Supervisor::Service service) {
  std::chrono::seconds delay{1};
  for (;;) {
    const auto began = std::chrono::steady_clock::now();
    const std::string fault = co_await run(service);
    if (seconds_since(began) > 60) {
      delay = std::chrono::seconds{1};
    }
    log::error("{}: {}; started again in {} s", name,
               fault.empty() ? "ended though it never should" : fault, delay.count());
    co_await wait(context, delay);
    delay = std::min(delay * 2, kMaxDelay);
  }
}

asio::awaitable<void> keep_repeating(asio::io_context& context, std::string name,
                                     std::chrono::steady_clock::duration interval,
                                     Supervisor::Service step) {
  for (;;) {
    const std::string fault = co_await run(step);
    if (!fault.empty()) {
      log::warn("{}: {}", name, fault);
    }
    co_await wait(context, interval);
  }
}

}  // namespace

void Supervisor::keep(std::string name, Service service) {
  // keep_running() throws nothing.
  asio::co_spawn(context_, keep_running(context_, std::move(name), std::move(service)),
                 [](const std::exception_ptr&) {});
}

void Supervisor::repeat(std::string name, std::chrono::steady_clock::duration interval,
                        Service step) {
  // keep_repeating() throws nothing.
  asio::co_spawn(context_, keep_repeating(context_, std::move(name), interval, std::move(step)),
                 [](const std::exception_ptr&) {});
}

void Supervisor::require(std::string name, Service service) {
  auto body = [](Service inner) -> asio::awaitable<void> { co_await inner(); };
  asio::co_spawn(context_, body(std::move(service)),
                 [this, name = std::move(name)](const std::exception_ptr& error) {
                   if (error) {
                     log::error("{} ended; stopping", name);
                     failure_ = error;
                     context_.stop();
                   }
                 });
}

}  // namespace infernode::app
