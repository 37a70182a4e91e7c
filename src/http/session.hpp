#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <string_view>

#include "core/turns.hpp"

// A connection, as the server and what it serves share it. All on one executor.
namespace infernode::http {

namespace asio = boost::asio;

// Slower peers are cut off: bytes a second, over a time of waiting for them.
constexpr std::size_t kMinBytesPerSecond = 1024;
constexpr std::chrono::seconds kRateWindow{60};

struct Session {
  using Clock = std::chrono::steady_clock;

  // `for_bulk` must outlive it.
  Session(asio::ip::tcp::socket accepted, std::string peer, Turns& for_bulk);

  asio::ip::tcp::socket socket;
  std::string address;     // of the peer
  std::string counted_as;  // see counted_address()
  Turns& bulk_turns;       // of those that read large bodies
  // When what it waits for is given up (see Limit).
  Clock::time_point deadline = Clock::time_point::max();
  bool late = false;  // it was
  // While an answer is written: what of it the kernel has, and what the peer had taken of that when
  // the minute began. The kernel may hold megabytes, so that it has room says little.
  bool writes = false;
  std::uint64_t written = 0;  // bytes, in all
  std::uint64_t taken = 0;
  std::list<Session*>::iterator idle_place{};
  bool idle = false;     // waits for the first byte of a request
  bool counted = false;  // among the connections that there may be
  bool ending = false;   // gave way to another; a request that came at that moment is its last
  bool fresh = true;     // has not sent a request yet
  boost::beast::flat_buffer buffer{};  // what was read and not looked at yet
};

// How long a session may wait, until this goes. Not a timer for each: the server looks at all of
// them a few times a second.
class Limit {
public:
  Limit(Session& session, std::chrono::steady_clock::duration time);
  ~Limit();
  Limit(const Limit&) = delete;
  Limit& operator=(const Limit&) = delete;

private:
  Session& session_;
};

// What is in the session's buffer.
std::string_view received(const Session& session);
// Reads up to `bytes` into the session's buffer. False when nothing more comes.
asio::awaitable<bool> read_more(Session& session, std::size_t bytes);
// Of what was written, the bytes that the peer has acknowledged.
std::uint64_t bytes_taken(Session& session);
// Whether the peer took enough of an answer in the minute that is over; then another one begins.
bool keeps_taking(Session& session);
// Throws PeerGone where there is an error.
void require_peer(const boost::system::error_code& error);

// As long as the peer takes 1 KiB a second over any minute, or the last bytes within one. Buffers
// must outlive the call, which they do as locals of whoever waits for it. Throws PeerGone.
template <class Buffers>
asio::awaitable<void> write_all(Session& session, Buffers buffers) {
  boost::system::error_code error;
  const auto before = session.written;
  const auto count = [&session, before](const boost::system::error_code& failed,
                                        std::size_t written) -> std::size_t {
    session.written = before + written;
    return asio::transfer_all()(failed, written);
  };
  session.taken = bytes_taken(session);
  session.writes = true;
  const Limit limit{session, kRateWindow};
  co_await asio::async_write(session.socket, buffers, count,
                             asio::redirect_error(asio::use_awaitable, error));
  session.writes = false;
  require_peer(error);
}

}  // namespace infernode::http
