#include "http/server.hpp"

#include <poll.h>

#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <set>

#include "core/clock.hpp"
#include "core/log.hpp"
#include "http/problem.hpp"

namespace infernode::http {
namespace {

namespace beast = boost::beast;
namespace bhttp = boost::beast::http;
using asio::ip::tcp;
using Stream = beast::tcp_stream;
using Parser = bhttp::request_parser<bhttp::buffer_body>;

constexpr std::size_t kMaxHeaderBytes = 16 * 1024;
constexpr std::size_t kReadBufferBytes = 64 * 1024;
constexpr std::chrono::seconds kIdleTimeout{60};      // between requests
constexpr std::chrono::seconds kTransferTimeout{30};  // without a single byte moving
constexpr std::size_t kMaxConnections = 1000;
// An answer to a body that was not read to its end may be lost when we close at once, since the
// kernel then sends a reset; so a little more is read and thrown away first.
constexpr std::size_t kLingerBytes = 4 * 1024 * 1024;
constexpr std::chrono::seconds kLingerTime{2};

// X-Request-Id from the request if it is sane, else a new one.
std::string request_id(const std::string& given) {
  const bool sane = !given.empty() && given.size() <= 100 &&
                    given.find_first_not_of(
                        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                        "0123456789-_.") == std::string::npos;
  return sane ? given : uuid_text(random_uuid());
}

// need_buffer: Beast wants the next piece of the body, as it should.
void require_peer(const boost::system::error_code& error) {
  if (error && error != bhttp::error::need_buffer) {
    throw PeerGone(error.message());
  }
}

class WireBody : public BodyStream {
public:
  WireBody(Stream& stream, beast::flat_buffer& buffer, Parser& parser)
      : stream_{stream}, buffer_{buffer}, parser_{parser} {}

  std::optional<std::uint64_t> content_length() const override {
    const auto length = parser_.content_length();
    return length ? std::optional<std::uint64_t>{*length} : std::nullopt;
  }

  bool peer_gone() const override {
    pollfd end{stream_.socket().native_handle(), POLLRDHUP, 0};
    return poll(&end, 1, 0) > 0 && (end.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
  }

  asio::awaitable<std::size_t> read(std::span<std::byte> target) override {
    if (parser_.is_done()) {
      co_return 0;
    }
    if (!continued_) {
      continued_ = true;
      if (lower_case(parser_.get()[bhttp::field::expect]) == "100-continue") {
        bhttp::response<bhttp::empty_body> go{bhttp::status::continue_, 11};
        stream_.expires_after(kTransferTimeout);
        boost::system::error_code error;
        co_await bhttp::async_write(stream_, go, asio::redirect_error(asio::use_awaitable, error));
        require_peer(error);
      }
    }
    auto& body = parser_.get().body();
    body.data = target.data();
    body.size = target.size();
    while (body.size == target.size() && !parser_.is_done()) {
      stream_.expires_after(kTransferTimeout);
      boost::system::error_code error;
      co_await bhttp::async_read_some(stream_, buffer_, parser_,
                                      asio::redirect_error(asio::use_awaitable, error));
      require_peer(error);
    }
    co_return target.size() - body.size;
  }

private:
  Stream& stream_;
  beast::flat_buffer& buffer_;
  Parser& parser_;
  bool continued_ = false;
};

template <class Body>
void set_headers(bhttp::response<Body>& message, const Response& response, const Request& request,
                 bool keep_alive) {
  message.version(11);
  message.result(static_cast<unsigned>(response.status));
  message.keep_alive(keep_alive);
  message.set("X-Request-Id", request.request_id);
  message.set("X-Content-Type-Options", "nosniff");
  message.set("Referrer-Policy", "no-referrer");
  message.set("Cache-Control", "private, no-cache");
  for (const auto& [name, value] : response.headers) {
    message.set(name, value);
  }
}

asio::awaitable<void> write_streamed(Stream& stream, const Response& response,
                                     const Request& request, bool keep_alive) {
  bhttp::response<bhttp::buffer_body> message;
  set_headers(message, response, request, keep_alive);
  if (response.content_length) {
    message.content_length(*response.content_length);
  } else {
    message.chunked(true);
  }
  message.body().data = nullptr;
  message.body().size = 0;
  message.body().more = true;
  bhttp::response_serializer<bhttp::buffer_body> serializer{message};
  boost::system::error_code error;
  stream.expires_after(kTransferTimeout);
  co_await bhttp::async_write_header(stream, serializer,
                                     asio::redirect_error(asio::use_awaitable, error));
  require_peer(error);
  if (request.method == "HEAD") {
    co_return;
  }
  for (;;) {
    std::string piece = co_await response.source();
    const bool more = !piece.empty();
    message.body().data = more ? piece.data() : nullptr;
    message.body().size = piece.size();
    message.body().more = more;
    stream.expires_after(kTransferTimeout);
    co_await bhttp::async_write(stream, serializer,
                                asio::redirect_error(asio::use_awaitable, error));
    require_peer(error);
    if (!more) {
      co_return;
    }
  }
}

asio::awaitable<void> write_whole(Stream& stream, Response response, const Request& request,
                                  bool keep_alive) {
  const std::size_t size = response.body.size();
  bhttp::response<bhttp::string_body> message;
  set_headers(message, response, request, keep_alive);
  if (request.method != "HEAD") {
    message.body() = std::move(response.body);
  }
  if (response.status != 204 && response.status != 304) {
    message.content_length(size);
  }
  bhttp::response_serializer<bhttp::string_body> serializer{message};
  boost::system::error_code error;
  stream.expires_after(kTransferTimeout);
  if (request.method == "HEAD") {
    co_await bhttp::async_write_header(stream, serializer,
                                       asio::redirect_error(asio::use_awaitable, error));
  } else {
    co_await bhttp::async_write(stream, serializer,
                                asio::redirect_error(asio::use_awaitable, error));
  }
  require_peer(error);
}

asio::awaitable<void> linger(Stream& stream) {
  boost::system::error_code error;
  stream.socket().shutdown(tcp::socket::shutdown_send, error);
  std::vector<char> sink(kReadBufferBytes);
  stream.expires_after(kLingerTime);
  for (std::size_t total = 0; total < kLingerBytes && !error;) {
    total += co_await stream.async_read_some(asio::buffer(sink),
                                             asio::redirect_error(asio::use_awaitable, error));
  }
}

}  // namespace

struct Server::State {
  State(asio::any_io_executor executor, const Router& routes)
      : router{routes}, acceptor{executor}, changed{executor} {}

  const Router& router;
  tcp::acceptor acceptor;
  asio::steady_timer changed;  // cancelled whenever a session ends
  std::set<Stream*> sessions;
  std::set<Stream*> idle;  // waiting for a request
  bool stopping = false;
};

namespace {

// Answers one request. Returns whether the connection can take another.
template <class State>
asio::awaitable<bool> serve_request(State& state, Stream& stream, beast::flat_buffer& buffer) {
  Parser parser;
  parser.header_limit(kMaxHeaderBytes);
  parser.body_limit(boost::none);  // each reader bounds its own body
  state.idle.insert(&stream);
  stream.expires_after(kIdleTimeout);
  boost::system::error_code error;
  co_await bhttp::async_read_header(stream, buffer, parser,
                                    asio::redirect_error(asio::use_awaitable, error));
  state.idle.erase(&stream);
  Request request;
  if (error) {
    const bool malformed =
        error.category() == bhttp::make_error_code(bhttp::error::bad_method).category() &&
        error != bhttp::error::end_of_stream;
    if (malformed) {
      request.request_id = request_id("");
      const Error problem{ErrorCode::malformed, "This is not HTTP/1.1: " + error.message()};
      co_await write_whole(stream, problem_response(problem, request.request_id), request, false);
      co_await linger(stream);
    }
    co_return false;
  }
  const auto started = std::chrono::steady_clock::now();
  const auto& message = parser.get();
  const std::string_view target{message.target().data(), message.target().size()};
  const auto question = std::min(target.find('?'), target.size());
  request.method = std::string{message.method_string()};
  request.path = std::string{target.substr(0, question)};
  request.query_string = std::string{target.substr(std::min(question + 1, target.size()))};
  for (const auto& field : message) {
    // A field that comes twice is a list (RFC 9110, 5.3); what takes no list refuses that.
    const auto [entry, fresh] =
        request.headers.emplace(lower_case(field.name_string()), std::string{field.value()});
    if (!fresh) {
      entry->second += ", " + std::string{field.value()};
    }
  }
  request.request_id = request_id(request.header("x-request-id"));
  boost::system::error_code gone;
  request.address = stream.socket().remote_endpoint(gone).address().to_string();
  WireBody body{stream, buffer, parser};
  request.stream = &body;

  Response response = co_await state.router.handle(request);
  const bool complete = parser.is_done();
  const bool keep_alive = complete && message.keep_alive() && !state.stopping;
  const int status = response.status;
  if (response.source) {
    co_await write_streamed(stream, response, request, keep_alive);
  } else {
    co_await write_whole(stream, std::move(response), request, keep_alive);
  }
  log::info("{} {} {} {:.1f} ms id={}", request.method, request.path, status,
            seconds_since(started) * 1000, request.request_id);
  if (!complete) {
    co_await linger(stream);
  }
  co_return keep_alive;
}

template <class State>
asio::awaitable<void> serve_connection(std::shared_ptr<State> state, Stream stream) {
  boost::system::error_code ignored;
  stream.socket().set_option(tcp::no_delay{true}, ignored);
  state->sessions.insert(&stream);
  beast::flat_buffer buffer;
  try {
    while (!state->stopping && co_await serve_request(*state, stream, buffer)) {
    }
  } catch (const PeerGone& error) {
    log::debug("a connection ended: {}", error.what());
  } catch (const std::exception& error) {
    // A body that failed half way through: the client sees the connection close too early.
    log::error("a connection was given up: {}", error.what());
  }
  state->idle.erase(&stream);
  state->sessions.erase(&stream);
  state->changed.cancel();
}

}  // namespace

Server::Server(asio::any_io_executor executor, const Router& router, const std::string& host,
               std::uint16_t port)
    : state_{std::make_shared<State>(executor, router)} {
  boost::system::error_code error;
  const auto address = asio::ip::make_address(host == "localhost" ? "127.0.0.1" : host, error);
  if (error) {
    throw std::runtime_error(fmt::format(
        "INFERNODE_HOST={}: should be an IP address to listen on, such as 127.0.0.1 or 0.0.0.0",
        host));
  }
  const tcp::endpoint endpoint{address, port};
  auto& acceptor = state_->acceptor;
  acceptor.open(endpoint.protocol(), error);
  acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  acceptor.bind(endpoint, error);
  if (!error) {
    acceptor.listen(asio::socket_base::max_listen_connections, error);
  }
  if (error) {
    throw std::runtime_error(
        fmt::format("cannot listen on {}:{}: {}; set INFERNODE_PORT to another port, or stop what "
                    "uses this one",
                    host, port, error.message()));
  }
}

Server::~Server() = default;

std::uint16_t Server::port() const {
  return state_->acceptor.local_endpoint().port();
}

asio::awaitable<void> Server::run() {
  const auto state = state_;
  while (!state->stopping) {
    boost::system::error_code error;
    if (state->sessions.size() >= kMaxConnections) {
      state->changed.expires_after(std::chrono::seconds{1});
      co_await state->changed.async_wait(asio::redirect_error(asio::use_awaitable, error));
      continue;
    }
    tcp::socket socket =
        co_await state->acceptor.async_accept(asio::redirect_error(asio::use_awaitable, error));
    if (!error) {
      auto executor = state->acceptor.get_executor();
      Stream stream{std::move(socket)};
      asio::co_spawn(executor, serve_connection(state, std::move(stream)),
                     [](const std::exception_ptr&) {});
    } else if (!state->stopping) {
      log::warn("accepting a connection failed: {}", error.message());
      state->changed.expires_after(std::chrono::milliseconds{100});
      co_await state->changed.async_wait(asio::redirect_error(asio::use_awaitable, error));
    }
  }
}

asio::awaitable<void> Server::stop(int grace_seconds) {
  const auto state = state_;
  state->stopping = true;
  boost::system::error_code ignored;
  state->acceptor.close(ignored);
  for (auto* stream : std::set<Stream*>{state->idle}) {
    stream->cancel();
  }
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{grace_seconds};
  while (!state->sessions.empty() && std::chrono::steady_clock::now() < end) {
    state->changed.expires_at(end);
    co_await state->changed.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
  for (auto* stream : state->sessions) {
    stream->cancel();
  }
}

}  // namespace infernode::http
