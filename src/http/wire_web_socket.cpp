#include "http/wire_web_socket.hpp"

#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket/rfc6455.hpp>

namespace infernode::http {
namespace {

namespace beast = boost::beast;
using Clock = Session::Clock;

constexpr std::size_t kMaxMessageBytes = 4096;
constexpr std::chrono::seconds kSilence{60};
constexpr std::chrono::seconds kFrameTimeout{30};  // a small frame
constexpr std::chrono::seconds kFarewell{2};
constexpr std::uint16_t kOnlyText = 1003;  // RFC 6455, 7.4.1

}  // namespace

WireWebSocket::WireWebSocket(Session& session) : session_{session}, stream_{session.socket} {
  stream_.read_message_max(kMaxMessageBytes);
  stream_.control_callback(
      [this](beast::websocket::frame_type, beast::string_view) { heard_ = Clock::now(); });
}

asio::awaitable<void> WireWebSocket::accept(const RequestHead& request, std::string date,
                                            std::string request_id) {
  stream_.set_option(
      beast::websocket::stream_base::decorator([date = std::move(date), id = std::move(request_id)](
                                                   beast::websocket::response_type& answer) {
        answer.erase(beast::http::field::server);
        answer.set(beast::http::field::date, date);
        answer.set("X-Request-Id", id);
      }));
  boost::system::error_code error;
  const Limit limit{session_, kFrameTimeout};
  co_await stream_.async_accept(request, asio::redirect_error(asio::use_awaitable, error));
  require_peer(error);
}

asio::awaitable<std::optional<std::string>> WireWebSocket::read(
    std::optional<std::chrono::seconds> limit) {
  std::optional<Limit> limited;
  if (limit) {
    limited.emplace(session_, *limit);
  }
  beast::flat_buffer buffer;
  boost::system::error_code error;
  co_await stream_.async_read(buffer, asio::redirect_error(asio::use_awaitable, error));
  gave_up_ = limit && session_.late;
  if (!error && !stream_.got_text()) {
    co_await close(kOnlyText, "");
    co_return std::nullopt;
  }
  if (error) {
    co_return std::nullopt;
  }
  heard_ = Clock::now();
  co_return beast::buffers_to_string(buffer.data());
}

asio::awaitable<void> WireWebSocket::write(std::string text) {
  boost::system::error_code error;
  const Limit limit{session_, kFrameTimeout};
  stream_.text(true);
  co_await stream_.async_write(asio::buffer(text),
                               asio::redirect_error(asio::use_awaitable, error));
  require_peer(error);
}

asio::awaitable<void> WireWebSocket::ping() {
  if (Clock::now() - heard_ > kSilence) {
    throw PeerGone("it gave no sign of life");
  }
  boost::system::error_code error;
  const Limit limit{session_, kFrameTimeout};
  const beast::websocket::ping_data nothing;
  co_await stream_.async_ping(nothing, asio::redirect_error(asio::use_awaitable, error));
  require_peer(error);
}

asio::awaitable<void> WireWebSocket::close(std::uint16_t code, std::string reason) {
  boost::system::error_code error;
  if (gave_up_) {
    // Beast writes nothing more once a read was cancelled; a frame of ours (RFC 6455, 5.5.1).
    std::string frame{"\x88"};
    frame += static_cast<char>(reason.size() + 2);
    frame += static_cast<char>(code >> 8);
    frame += static_cast<char>(code & 0xff);
    frame += reason;
    const Limit limit{session_, kFarewell};
    co_await asio::async_write(session_.socket, asio::buffer(frame),
                               asio::redirect_error(asio::use_awaitable, error));
  } else if (stream_.is_open()) {
    const Limit limit{session_, kFarewell};
    const beast::websocket::close_reason why{static_cast<beast::websocket::close_code>(code),
                                             reason};
    co_await stream_.async_close(why, asio::redirect_error(asio::use_awaitable, error));
  }
  session_.socket.shutdown(asio::ip::tcp::socket::shutdown_both, error);
}

}  // namespace infernode::http
