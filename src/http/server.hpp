#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstddef>
#include <memory>

#include "core/address_set.hpp"
#include "http/listening_socket.hpp"
#include "http/router.hpp"

namespace infernode::http {

struct ConnectionLimits {
  std::size_t all = 4000;
  std::size_t of_address = 300;
  AddressSet proxies{};  // their number is not limited by address, and their word is taken
};

// HTTP/1.1 on one socket, on one single-threaded executor. `router` must outlive it.
class Server {
public:
  Server(asio::any_io_executor executor, const Router& router, ListeningSocket socket,
         ConnectionLimits limits);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Accepts connections until stop().
  asio::awaitable<void> run();
  // No new connections; open ones end after the answer under way, and those that were only just
  // opened after the first one, at the latest after `grace_seconds`.
  asio::awaitable<void> stop(int grace_seconds);

private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace infernode::http
