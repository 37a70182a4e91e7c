#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "http/listening_socket.hpp"

// How one server process takes the place of another: it is given the other's listening socket, so
// that connections which wait in it are lost by neither. They meet at an abstract Unix socket named
// by the address they listen on, and trust processes of the same user and root alone.
namespace infernode::http {

namespace asio = boost::asio;

// The side of the process that serves: waits for the one that takes its place.
class Predecessor {
public:
  // Throws std::runtime_error where nobody could find it.
  Predecessor(const asio::any_io_executor& executor, ListeningSocket socket);
  ~Predecessor();
  Predecessor(const Predecessor&) = delete;
  Predecessor& operator=(const Predecessor&) = delete;

  // Ends when another process has the socket and is about to accept connections from it; a further
  // one finds that process then, and no longer this.
  asio::awaitable<void> handed_over();

private:
  struct State;
  std::unique_ptr<State> state_;
};

// The side of the process that begins to serve. Its functions block for some milliseconds, 10 s at
// most.
class Successor {
public:
  // Asks the process that serves at this address for its socket; nullopt where there is none.
  // Throws std::runtime_error where it does not answer as it should.
  static std::optional<Successor> find(const std::string& host, std::uint16_t port);
  ~Successor();
  Successor(Successor&& other) noexcept;
  Successor& operator=(Successor&&) = delete;

  // The socket; to be taken once.
  ListeningSocket take_socket();
  // Tells the other one to stop, since connections are accepted here from now on, and waits until
  // it has understood.
  void begin();

private:
  explicit Successor(int channel) : channel_{channel} {}

  int channel_;
  std::optional<ListeningSocket> socket_;
};

}  // namespace infernode::http
