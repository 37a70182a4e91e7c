#pragma once

#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <optional>
#include <string>

#include "http/message.hpp"
#include "http/session.hpp"

namespace infernode::http {

// A WebSocket on a connection whose request asked for one.
class WireWebSocket : public WebSocket {
public:
  using RequestHead = boost::beast::http::request<boost::beast::http::empty_body>;

  // The session must outlive it.
  explicit WireWebSocket(Session& session);

  // Answers 101. The request was looked at by refuse_handshake() (http/handshake.hpp). Throws
  // PeerGone.
  asio::awaitable<void> accept(const RequestHead& request, std::string date,
                               std::string request_id);

  asio::awaitable<std::optional<std::string>> read(
      std::optional<std::chrono::seconds> limit) override;
  asio::awaitable<void> write(std::string text) override;
  asio::awaitable<void> ping() override;
  asio::awaitable<void> close(std::uint16_t code, std::string reason) override;

private:
  Session& session_;
  boost::beast::websocket::stream<asio::ip::tcp::socket&> stream_;
  Session::Clock::time_point heard_ = Session::Clock::now();
  bool gave_up_ = false;  // reading, for want of time
};

}  // namespace infernode::http
