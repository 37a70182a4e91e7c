#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "http/message.hpp"
#include "http/server.hpp"

namespace infernode::app {

namespace asio = boost::asio;

struct App;

// What a process counts of itself, for Prometheus. docs/metrics.md names everything.
class Metrics {
public:
  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // A request that was answered, `seconds` after its head was read.
  void add_request(const http::Request& request, int status, double seconds);
  // How long somebody waited for a connection to the database.
  void add_pool_wait(double seconds);
  // How much later than it should have something ran on the I/O thread.
  void add_loop_lag(double seconds);

  // How the server's connections stand; set where there is a server.
  std::function<http::ConnectionCounts()> connections{};

  // All of it and the state of the installation, which is looked at every 5 s at most, in
  // Prometheus' text format 0.0.4.
  asio::awaitable<std::string> text(App& app);

private:
  struct State;
  std::unique_ptr<State> state_;
};

// Measures the lag of the loop, for ever.
asio::awaitable<void> watch_loop(Metrics& metrics);

}  // namespace infernode::app
