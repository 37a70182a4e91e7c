#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <cstddef>
#include <functional>
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

// Connections now, and since the server began.
struct ConnectionCounts {
  std::size_t idle = 0;    // wait for the first byte of a request
  std::size_t active = 0;  // the others
  std::size_t accepted = 0;
  std::size_t turned_away = 0;  // for want of room
  std::size_t gave_way = 0;     // idle ones, to others
  std::size_t late = 0;         // cut off by a limit of time, idle ones included
};

// Hears of each request that was answered, `seconds` after its head had been read.
using RequestObserver = std::function<void(const Request&, int status, double seconds)>;

// HTTP/1.1 on one socket, on one single-threaded executor. `router` must outlive it.
class Server {
public:
  Server(asio::any_io_executor executor, const Router& router, ListeningSocket socket,
         ConnectionLimits limits, RequestObserver observer);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  ConnectionCounts counts() const;
  // Accepts connections until stop().
  asio::awaitable<void> run();
  // No new connections; open ones end after the answer under way, at the latest after `grace`. One
  // that was only just opened is waited for, since a request of its is on the way; so are, with
  // `gently`, those that have sent requests before.
  asio::awaitable<void> stop(std::chrono::seconds grace, bool gently);

private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace infernode::http
