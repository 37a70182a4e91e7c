#include "http/session.hpp"

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <utility>

#include "core/address_set.hpp"
#include "http/message.hpp"

namespace infernode::http {
namespace {

constexpr std::size_t kWindowBytes = kMinBytesPerSecond * kRateWindow.count();

}  // namespace

Session::Session(asio::ip::tcp::socket accepted, std::string peer, Turns& for_bulk)
    : socket{std::move(accepted)},
      address{std::move(peer)},
      counted_as{counted_address(address)},
      bulk_turns{for_bulk} {}

Limit::Limit(Session& session, std::chrono::steady_clock::duration time) : session_{session} {
  session_.deadline = Session::Clock::now() + time;
  session_.late = false;
}

Limit::~Limit() {
  session_.deadline = Session::Clock::time_point::max();
}

std::string_view received(const Session& session) {
  const auto data = session.buffer.data();
  return {static_cast<const char*>(data.data()), data.size()};
}

asio::awaitable<bool> read_more(Session& session, std::size_t bytes) {
  boost::system::error_code error;
  const auto got = co_await session.socket.async_read_some(
      session.buffer.prepare(bytes), asio::redirect_error(asio::use_awaitable, error));
  session.buffer.commit(got);
  co_return !error && got > 0;
}

std::uint64_t bytes_taken(Session& session) {
  int waiting = 0;
  const bool known = ioctl(session.socket.native_handle(), SIOCOUTQ, &waiting) == 0;
  const auto held = static_cast<std::uint64_t>(known ? std::max(waiting, 0) : 0);
  return session.written - std::min(held, session.written);
}

bool keeps_taking(Session& session) {
  const auto taken = bytes_taken(session);
  if (!session.writes || taken < session.taken + kWindowBytes) {
    return false;
  }
  session.taken = taken;
  session.deadline = Session::Clock::now() + kRateWindow;
  return true;
}

void require_peer(const boost::system::error_code& error) {
  if (error) {
    throw PeerGone(error.message());
  }
}

}  // namespace infernode::http
