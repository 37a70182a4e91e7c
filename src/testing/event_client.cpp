#include "testing/event_client.hpp"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket.hpp>
#include <charconv>

namespace infernode::test {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace json = boost::json;

struct EventClient::State {
  asio::io_context context{1};
  beast::flat_buffer buffer;
  std::optional<beast::websocket::stream<beast::tcp_stream>> socket;
  std::optional<beast::tcp_stream> stream;
  beast::http::response_parser<beast::http::buffer_body> parser;
  std::string text;  // of sent events that was not looked at yet
  int code = 0;
  std::int64_t place = 0;

  // Runs one operation; false when it failed or took too long.
  template <class Start>
  bool run(std::chrono::milliseconds patience, Start start) {
    std::optional<beast::error_code> outcome;
    start([&outcome](beast::error_code error, std::size_t = 0) { outcome = error; });
    context.restart();
    context.run_for(patience);
    if (!outcome) {
      // A message that comes later is for the next call; the operation stays under way.
      late = true;
      return false;
    }
    return !*outcome;
  }
  bool late = false;

  std::optional<json::object> from_text() {
    for (;;) {
      const auto end = text.find("\n\n");
      if (end == std::string::npos) {
        return std::nullopt;
      }
      std::string block = text.substr(0, end + 1);
      text.erase(0, end + 2);
      std::string data;
      std::optional<std::int64_t> id;
      for (std::size_t at = 0; at < block.size();) {
        const auto line_end = block.find('\n', at);
        const auto line = block.substr(at, line_end - at);
        at = line_end + 1;
        if (line.starts_with("data: ")) {
          data += line.substr(6);
        } else if (line.starts_with("id: ")) {
          id = std::stoll(line.substr(4));
        }
      }
      if (data.empty()) {
        place = id.value_or(place);
        continue;
      }
      auto object = json::parse(data).as_object();
      if (id && object.at("id").as_int64() != *id) {
        ADD_FAILURE() << "another id than the message's: " << data;
      }
      return object;
    }
  }
};

EventClient::EventClient(std::uint16_t port, Line line, const std::string& token,
                         std::optional<std::int64_t> after, const std::string& path)
    : state_{std::make_unique<State>()} {
  auto& state = *state_;
  const asio::ip::tcp::endpoint server{asio::ip::address_v4::loopback(), port};
  if (line == Line::web_socket) {
    state.socket.emplace(state.context);
    beast::get_lowest_layer(*state.socket).connect(server);
    state.socket->handshake("localhost", "/api/v1/ws");
    if (!token.empty()) {
      send(json::serialize(json::object{{"type", "authenticate"}, {"token", token}}));
    }
    if (after) {
      send(json::serialize(json::object{{"type", "resume"}, {"after", *after}}));
    }
    return;
  }
  state.stream.emplace(state.context);
  state.stream->connect(server);
  beast::http::request<beast::http::empty_body> request{beast::http::verb::get, "/api/v1" + path,
                                                        11};
  request.set("Host", "localhost");
  request.set("Authorization", "Bearer " + token);
  if (after) {
    request.set("Last-Event-ID", std::to_string(*after));
  }
  beast::http::write(*state.stream, request);
  beast::http::read_header(*state.stream, state.buffer, state.parser);
  state.parser.body_limit(boost::none);
  state.code = state.parser.get().result_int();
}

EventClient::~EventClient() = default;

bool EventClient::ended() const {
  return state_->socket ? state_->code != 0 : state_->parser.is_done();
}

int EventClient::code() const {
  return state_->code;
}

std::int64_t EventClient::place() const {
  return state_->place;
}

void EventClient::send(const std::string& text) {
  state_->socket->text(true);
  state_->socket->write(asio::buffer(text));
}

void EventClient::tell_missing() {
  ADD_FAILURE() << "the message that is waited for did not come";
}

std::optional<json::object> EventClient::next(std::chrono::milliseconds patience) {
  auto& state = *state_;
  const auto end = std::chrono::steady_clock::now() + patience;
  if (state.late) {
    throw std::logic_error("a line on which nothing came in time is at its end");
  }
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        end - std::chrono::steady_clock::now());
    if (left.count() <= 0) {
      return std::nullopt;
    }
    if (state.socket) {
      beast::flat_buffer message;
      const bool came =
          state.run(left, [&](auto done) { state.socket->async_read(message, std::move(done)); });
      if (!came) {
        state.code = static_cast<int>(state.socket->reason().code);
        if (state.late) {
          state.context.stop();
          beast::get_lowest_layer(*state.socket).close();
          state.context.restart();
          state.context.run();
        }
        return std::nullopt;
      }
      auto object = json::parse(beast::buffers_to_string(message.data())).as_object();
      if (object.at("type") == "authenticated") {
        state.place = object.at("after").as_int64();
        continue;
      }
      return object;
    }
    if (auto object = state.from_text()) {
      return object;
    }
    if (state.parser.is_done()) {
      return std::nullopt;
    }
    char piece[8192];
    auto& body = state.parser.get().body();
    body.data = piece;
    body.size = sizeof piece;
    std::optional<beast::error_code> outcome;
    beast::http::async_read_some(*state.stream, state.buffer, state.parser,
                                 [&](beast::error_code error, std::size_t) { outcome = error; });
    state.context.restart();
    state.context.run_for(left);
    if (!outcome) {
      state.late = true;
      state.stream->close();
      state.context.restart();
      state.context.run();
      return std::nullopt;
    }
    state.text.append(piece, sizeof piece - body.size);
    if (*outcome && *outcome != beast::http::error::need_buffer) {
      return std::nullopt;
    }
  }
}

}  // namespace infernode::test
