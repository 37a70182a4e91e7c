#include "http/wire_body.hpp"

#include <poll.h>

#include <algorithm>
#include <cstring>

#include "core/clock.hpp"

namespace infernode::http {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kPieceBytes = 64 * 1024;
constexpr std::size_t kMaxDroppedBytes = 64 * 1024;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

}  // namespace

WireBody::WireBody(Session& session, const Framing& framing)
    : session_{session},
      chunked_{framing.chunked},
      length_{framing.length_said ? std::optional{framing.length} : std::nullopt},
      left_{framing.length},
      expected_{framing.expects_continue} {}

std::optional<std::uint64_t> WireBody::content_length() const {
  return length_;
}

bool WireBody::peer_gone() const {
  pollfd end{session_.socket.native_handle(), POLLRDHUP, 0};
  return poll(&end, 1, 0) > 0 && (end.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

asio::awaitable<std::size_t> WireBody::read(std::span<std::byte> target) {
  if (complete()) {
    co_return 0;
  }
  if (expected_ && session_.buffer.size() == 0) {
    co_await write_all(session_, asio::buffer(kContinue));
  }
  expected_ = false;
  if (chunked_) {
    co_return co_await read_chunked(target);
  }
  co_return co_await read_plain(target);
}

asio::awaitable<void> WireBody::wait_for_turn() {
  boost::system::error_code error;
  co_await session_.socket.async_wait(asio::ip::tcp::socket::wait_read,
                                      asio::redirect_error(asio::use_awaitable, error));
  require_peer(error);
  co_await session_.bulk_turns.take();
  if (session_.late) {
    throw PeerGone("it took too long");
  }
}

asio::awaitable<std::size_t> WireBody::read_plain(std::span<std::byte> target) {
  const auto most = static_cast<std::size_t>(std::min<std::uint64_t>(left_, target.size()));
  std::size_t got = std::min(most, session_.buffer.size());
  if (got > 0) {
    std::memcpy(target.data(), received(session_).data(), got);
    session_.buffer.consume(got);
  } else {
    boost::system::error_code error;
    const auto before = Clock::now();
    {
      const Limit limit{session_, kRateWindow};
      if (length_.value_or(0) > kPieceBytes) {
        co_await wait_for_turn();
      }
      got = co_await session_.socket.async_read_some(
          asio::buffer(target.data(), most), asio::redirect_error(asio::use_awaitable, error));
    }
    require_peer(error);
    require_rate(got, seconds_since(before));
  }
  left_ -= got;
  co_return got;
}

asio::awaitable<std::size_t> WireBody::read_chunked(std::span<std::byte> target) {
  for (;;) {
    const auto step = chunks_.decode(received(session_), target);
    session_.buffer.consume(step.taken);
    if (step.given > 0 || chunks_.done()) {
      co_return step.given;
    }
    const auto before = Clock::now();
    bool more = false;
    {
      const Limit limit{session_, kRateWindow};
      co_await wait_for_turn();
      more = co_await read_more(session_, std::min(target.size(), kPieceBytes));
    }
    if (!more) {
      throw PeerGone("the body ended too early");
    }
    require_rate(session_.buffer.size(), seconds_since(before));
  }
}

asio::awaitable<void> WireBody::drop_what_came() {
  if (expected_) {
    co_return;  // the client waits to be told whether it may send the body
  }
  std::vector<std::byte> sink(chunked_ ? kPieceBytes : 0);
  try {
    for (std::size_t dropped = 0; !complete() && dropped < kMaxDroppedBytes;) {
      boost::system::error_code ignored;
      if (session_.buffer.size() == 0) {
        if (session_.socket.available(ignored) == 0) {
          co_return;
        }
        const bool more = co_await read_more(session_, kPieceBytes);
        if (!more) {
          co_return;
        }
      }
      std::size_t taken = 0;
      if (chunked_) {
        taken = chunks_.decode(received(session_), sink).taken;
      } else {
        taken = static_cast<std::size_t>(std::min<std::uint64_t>(left_, session_.buffer.size()));
        left_ -= taken;
      }
      session_.buffer.consume(taken);
      dropped += taken;
    }
  } catch (const BadBody&) {
    co_return;  // the connection is closed, then
  }
}

void WireBody::require_rate(std::size_t bytes, double seconds) {
  window_bytes_ += bytes;
  window_seconds_ += seconds;
  if (window_seconds_ < static_cast<double>(kRateWindow.count())) {
    return;
  }
  if (static_cast<double>(window_bytes_) < window_seconds_ * kMinBytesPerSecond) {
    throw PeerGone("it sends less than 1 KiB a second");
  }
  window_bytes_ = 0;
  window_seconds_ = 0;
}

}  // namespace infernode::http
