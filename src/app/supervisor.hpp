#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <string>

namespace infernode::app {

namespace asio = boost::asio;

// Runs what goes on behind the requests: a service that throws, or returns where it never should,
// is logged by its name and started again after a growing delay (1 to 30 s). One that the program
// cannot go on without ends it. Belongs to one context, which must outlive it.
class Supervisor {
public:
  explicit Supervisor(asio::io_context& context) : context_{context} {}

  using Service = std::function<asio::awaitable<void>()>;
  // Runs `service` for ever.
  void keep(std::string name, Service service);
  // Does `step` now and again `interval` after each one ended, for ever. A step that throws is
  // logged; the next one comes as usual.
  void repeat(std::string name, std::chrono::steady_clock::duration interval, Service step);
  // Runs `service` once; should it throw, the context is stopped and failure() says why.
  void require(std::string name, Service service);
  // What a required service threw; nullptr as long as none did.
  const std::exception_ptr& failure() const { return failure_; }

private:
  asio::io_context& context_;
  std::exception_ptr failure_;
};

}  // namespace infernode::app
