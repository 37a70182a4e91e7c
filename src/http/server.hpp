#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "core/address_set.hpp"
#include "http/router.hpp"

namespace infernode::http {

struct ConnectionLimits {
  std::size_t all = 4000;
  std::size_t of_address = 300;
  AddressSet proxies{};  // their number is not limited by address, and their word is taken
};

// HTTP/1.1 on one address, on one single-threaded executor. `router` must outlive it.
class Server {
public:
  // Begins to listen; port 0 takes a free one. Throws std::runtime_error that says why the address
  // cannot be had.
  Server(asio::any_io_executor executor, const Router& router, const std::string& host,
         std::uint16_t port, ConnectionLimits limits);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::uint16_t port() const;
  // Accepts connections until stop().
  asio::awaitable<void> run();
  // No new connections; open ones end after the answer under way, at the latest after
  // `grace_seconds`.
  asio::awaitable<void> stop(int grace_seconds);

private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace infernode::http
