#include "http/server.hpp"

#include <poll.h>

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <ctime>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "core/clock.hpp"
#include "core/log.hpp"
#include "http/forwarded.hpp"
#include "http/problem.hpp"
#include "http/request_head.hpp"

namespace infernode::http {
namespace {

namespace beast = boost::beast;
namespace bhttp = boost::beast::http;
using asio::ip::tcp;
using Stream = beast::tcp_stream;
using Parser = bhttp::request_parser<bhttp::buffer_body>;

constexpr std::size_t kReadBufferBytes = 64 * 1024;
constexpr std::chrono::seconds kIdleTimeout{60};      // between requests
constexpr std::chrono::seconds kHeadTimeout{10};      // from its first byte to its last
constexpr std::chrono::seconds kTransferTimeout{30};  // without a single byte moving
// Slower ones are cut off: bytes a second, over a time of waiting for them.
constexpr std::size_t kMinBytesPerSecond = 1024;
constexpr std::chrono::seconds kRateWindow{60};
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

void require_peer(const boost::system::error_code& error) {
  if (error) {
    throw PeerGone(error.message());
  }
}

bool is_of_parser(const boost::system::error_code& error) {
  return error.category() == bhttp::make_error_code(bhttp::error::bad_method).category();
}

// How long the peer may take for so many bytes.
std::chrono::seconds time_for(std::size_t bytes) {
  return kTransferTimeout + std::chrono::seconds{bytes / kMinBytesPerSecond};
}

// IMF-fixdate (RFC 9110, 5.6.7).
std::string http_date() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &utc)};
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
      const auto before = std::chrono::steady_clock::now();
      const auto left = body.size;
      co_await bhttp::async_read_some(stream_, buffer_, parser_,
                                      asio::redirect_error(asio::use_awaitable, error));
      // need_buffer: Beast wants the next piece of the body, as it should.
      if (is_of_parser(error) && error != bhttp::error::need_buffer &&
          error != bhttp::error::end_of_stream && error != bhttp::error::partial_message) {
        throw BadBody("The body is not what its head says: " + error.message() + ".");
      }
      require_peer(error == bhttp::error::need_buffer ? boost::system::error_code{} : error);
      require_rate(left - body.size, seconds_since(before));
    }
    co_return target.size() - body.size;
  }

private:
  void require_rate(std::size_t bytes, double seconds) {
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

  Stream& stream_;
  beast::flat_buffer& buffer_;
  Parser& parser_;
  bool continued_ = false;
  std::size_t window_bytes_ = 0;
  double window_seconds_ = 0;  // spent waiting for them
};

template <class Body>
void set_headers(bhttp::response<Body>& message, const Response& response, const Request& request,
                 bool keep_alive) {
  message.version(11);
  message.result(static_cast<unsigned>(response.status));
  message.keep_alive(keep_alive);
  message.set("Date", http_date());
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
    stream.expires_after(time_for(piece.size()));
    co_await bhttp::async_write(stream, serializer,
                                asio::redirect_error(asio::use_awaitable, error));
    require_peer(error == bhttp::error::need_buffer ? boost::system::error_code{} : error);
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
  stream.expires_after(time_for(size));
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

namespace {

// A connection, while it is open.
struct Session : std::enable_shared_from_this<Session> {
  Session(tcp::socket socket, std::string peer)
      : stream{std::move(socket)}, address{std::move(peer)}, head_limit{stream.get_executor()} {}

  Stream stream;
  std::string address;  // of the peer
  // Not the stream's own limit, which closes it: there is something to say first.
  asio::steady_timer head_limit;
  std::list<Session*>::iterator idle_place{};
  bool idle = false;    // waits for the first byte of a request
  bool ending = false;  // gave way to another; a request that came at that moment is its last
  beast::flat_buffer buffer{};
};

}  // namespace

struct Server::State {
  State(asio::any_io_executor executor, const Router& routes, ConnectionLimits most)
      : router{routes}, limits{std::move(most)}, acceptor{executor}, changed{executor} {}

  const Router& router;
  ConnectionLimits limits;
  tcp::acceptor acceptor;
  asio::steady_timer changed;  // cancelled whenever a session ends
  std::set<Session*> sessions;
  std::map<std::string, std::size_t> of_address;
  std::list<Session*> idle;  // the longest idle first
  bool stopping = false;

  // Makes room for another of this address, by ending an idle one where there is none. False: there
  // is no room.
  bool admits(const std::string& address) {
    const auto own = of_address.find(address);
    const bool address_full = own != of_address.end() && own->second >= limits.of_address &&
                              !limits.proxies.contains(address);
    if (!address_full && sessions.size() < limits.all) {
      return true;
    }
    const auto longest = std::find_if(idle.begin(), idle.end(), [&](const Session* session) {
      return !address_full || session->address == address;
    });
    if (longest == idle.end()) {
      return false;
    }
    leave(**longest);
    return true;
  }
  void enter(Session& session) {
    sessions.insert(&session);
    ++of_address[session.address];
  }
  // Counts no more; what it waits for ends.
  void leave(Session& session) {
    end_idling(session);
    session.ending = true;
    if (sessions.erase(&session) > 0) {
      const auto own = of_address.find(session.address);
      if (--own->second == 0) {
        of_address.erase(own);
      }
    }
    session.stream.cancel();
    changed.cancel();
  }
  void begin_idling(Session& session) {
    session.idle_place = idle.insert(idle.end(), &session);
    session.idle = true;
  }
  void end_idling(Session& session) {
    if (std::exchange(session.idle, false)) {
      idle.erase(session.idle_place);
    }
  }
};

namespace {

constexpr std::size_t kHeadPiece = 4 * 1024;

std::string_view received(const beast::flat_buffer& buffer) {
  const auto data = buffer.data();
  return {static_cast<const char*>(data.data()), data.size()};
}

// Reads into the session's buffer. False when nothing more comes.
asio::awaitable<bool> read_more(Session& session) {
  boost::system::error_code error;
  const auto bytes = co_await session.stream.async_read_some(
      session.buffer.prepare(kHeadPiece), asio::redirect_error(asio::use_awaitable, error));
  session.buffer.commit(bytes);
  co_return !error && bytes > 0;
}

// What reading a head came to: its size in the buffer, or why there is none.
struct ReceivedHead {
  std::size_t bytes = 0;
  std::optional<HeadFault> fault{};  // neither: the peer has gone
};

template <class State>
asio::awaitable<ReceivedHead> receive_head(State& state, Session& session) {
  auto& buffer = session.buffer;
  // A blank line may stand before a request (RFC 9112, 2.2).
  const auto drop_blank_lines = [&buffer] {
    while (received(buffer).starts_with("\r\n")) {
      buffer.consume(2);
    }
  };
  session.stream.expires_after(kIdleTimeout);
  state.begin_idling(session);
  for (drop_blank_lines(); buffer.size() == 0; drop_blank_lines()) {
    if (!co_await read_more(session)) {
      state.end_idling(session);
      co_return ReceivedHead{};
    }
  }
  state.end_idling(session);
  const auto deadline = std::chrono::steady_clock::now() + kHeadTimeout;
  session.stream.expires_after(2 * kHeadTimeout);
  struct StopLimit {
    asio::steady_timer& limit;
    ~StopLimit() { limit.cancel(); }
  } const stop{session.head_limit};
  for (std::size_t looked_at = 0;;) {
    const auto end = head_end(received(buffer), looked_at);
    if (end) {
      const auto head = received(buffer).substr(0, *end);
      co_return ReceivedHead{*end, fault_of_head(head)};
    }
    if (auto fault = fault_of_beginning(received(buffer))) {
      co_return ReceivedHead{0, std::move(fault)};
    }
    if (looked_at == 0) {
      session.head_limit.expires_at(deadline);
      session.head_limit.async_wait(
          [weak = session.weak_from_this()](boost::system::error_code error) {
            if (const auto slow = weak.lock(); slow && !error) {
              slow->stream.cancel();
            }
          });
    }
    looked_at = buffer.size();
    if (!co_await read_more(session)) {
      if (std::chrono::steady_clock::now() >= deadline) {
        const HeadFault late{
            408, fmt::format("The head of a request takes {} s at most.", kHeadTimeout.count())};
        co_return ReceivedHead{0, late};
      }
      co_return ReceivedHead{};
    }
  }
}

// Answers one request. Returns whether the connection can take another.
template <class State>
asio::awaitable<bool> serve_request(State& state, Session& session) {
  Stream& stream = session.stream;
  const ReceivedHead head = co_await receive_head(state, session);
  Request request;
  if (head.bytes == 0 && !head.fault) {
    co_return false;
  }
  Parser parser;
  parser.header_limit(kMaxHeadBytes);
  parser.body_limit(boost::none);  // each reader bounds its own body
  std::optional<HeadFault> fault = head.fault;
  if (!fault) {
    boost::system::error_code error;
    const auto parsed =
        parser.put(asio::const_buffer{session.buffer.data().data(), head.bytes}, error);
    session.buffer.consume(parsed);
    if (error && error != bhttp::error::need_more) {
      fault = HeadFault{400, "This is not HTTP/1.1: " + error.message() + "."};
    }
  }
  if (fault) {
    request.request_id = request_id("");
    log::info("refused a request of {}: {} {}", session.address, fault->status, fault->detail);
    auto response = head_fault_response(fault->status, fault->detail, request.request_id);
    stream.expires_after(kTransferTimeout);
    co_await write_whole(stream, std::move(response), request, false);
    co_await linger(stream);
    co_return false;
  }
  const auto started = std::chrono::steady_clock::now();
  const auto& message = parser.get();
  const auto target = origin_form({message.target().data(), message.target().size()});
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
  request.address = client_address(state.limits.proxies, session.address, request.headers);
  WireBody body{stream, session.buffer, parser};
  request.stream = &body;

  Response response = co_await state.router.handle(request);
  const bool complete = parser.is_done();
  const bool keep_alive = complete && message.keep_alive() && !state.stopping && !session.ending;
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
asio::awaitable<void> serve_connection(std::shared_ptr<State> state,
                                       std::shared_ptr<Session> owned) {
  Session& session = *owned;
  try {
    while (!state->stopping && co_await serve_request(*state, session)) {
    }
  } catch (const PeerGone& error) {
    log::debug("a connection ended: {}", error.what());
  } catch (const std::exception& error) {
    // A body that failed half way through: the client sees the connection close too early.
    log::error("a connection was given up: {}", error.what());
  }
  state->leave(session);
}

// Says that there is no room, as far as that can be said without waiting.
void turn_away(tcp::socket& socket) {
  static constexpr std::string_view kProblem =
      R"({"type":"/problems/unavailable","title":"Service unavailable","status":503,)"
      R"("detail":"There are too many connections; close some, or try again later."})";
  const auto answer = fmt::format(
      "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\n"
      "Content-Type: application/problem+json\r\nContent-Length: {}\r\n\r\n{}",
      kProblem.size(), kProblem);
  boost::system::error_code ignored;
  socket.non_blocking(true, ignored);
  socket.send(asio::buffer(answer), 0, ignored);
  socket.shutdown(tcp::socket::shutdown_both, ignored);
}

}  // namespace

Server::Server(asio::any_io_executor executor, const Router& router, const std::string& host,
               std::uint16_t port, ConnectionLimits limits)
    : state_{std::make_shared<State>(executor, router, std::move(limits))} {
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
    tcp::socket socket =
        co_await state->acceptor.async_accept(asio::redirect_error(asio::use_awaitable, error));
    if (!error) {
      boost::system::error_code ignored;
      auto address = socket.remote_endpoint(ignored).address().to_string();
      if (!state->admits(address)) {
        turn_away(socket);
        continue;
      }
      socket.set_option(tcp::no_delay{true}, ignored);
      auto executor = state->acceptor.get_executor();
      const auto session = std::make_shared<Session>(std::move(socket), std::move(address));
      state->enter(*session);
      auto serving = serve_connection(state, session);
      asio::co_spawn(executor, std::move(serving), [](const std::exception_ptr&) {});
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
  for (auto* session : std::list<Session*>{state->idle}) {
    session->stream.cancel();
  }
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{grace_seconds};
  while (!state->sessions.empty() && std::chrono::steady_clock::now() < end) {
    state->changed.expires_at(end);
    co_await state->changed.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
  for (auto* session : state->sessions) {
    session->stream.cancel();
  }
}

}  // namespace infernode::http
