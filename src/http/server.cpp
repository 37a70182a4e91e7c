#include "http/server.hpp"

#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket.hpp>
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
using Clock = std::chrono::steady_clock;
using Parser = bhttp::request_parser<bhttp::buffer_body>;

constexpr std::size_t kReadBufferBytes = 64 * 1024;
constexpr std::chrono::seconds kIdleTimeout{60};   // between requests
constexpr std::chrono::seconds kHeadTimeout{10};   // from its first byte to its last
constexpr std::chrono::seconds kFrameTimeout{30};  // a small frame of a WebSocket
// Slower ones are cut off: bytes a second, over a time of waiting for them.
constexpr std::size_t kMinBytesPerSecond = 1024;
constexpr std::chrono::seconds kRateWindow{60};
// What the kernel takes of an answer beyond what is on its way (TCP_NOTSENT_LOWAT): else slow
// readers cost megabytes each.
constexpr int kUnsentBytes = 256 * 1024;
constexpr std::size_t kWindowBytes = kMinBytesPerSecond * kRateWindow.count();
// An answer to a body that was not read to its end may be lost when we close at once, since the
// kernel then sends a reset; so a little more is read and thrown away first.
constexpr std::size_t kLingerBytes = 4 * 1024 * 1024;
constexpr std::chrono::seconds kLingerTime{2};
constexpr std::uint16_t kOnlyText = 1003;  // RFC 6455, 7.4.1
// Who has connected means to send a request: this long a server that stops waits for it.
constexpr std::chrono::seconds kFreshTime{1};
constexpr std::chrono::milliseconds kLookInterval{200};  // at the limits of sessions
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
constexpr std::string_view kChunkEnd = "\r\n";

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

std::string_view received(const beast::flat_buffer& buffer) {
  const auto data = buffer.data();
  return {static_cast<const char*>(data.data()), data.size()};
}

// This second, put together once a second.
class HttpDate {
public:
  const std::string& text() {
    const std::time_t now = std::time(nullptr);
    if (now != second_) {
      text_ = http_date(Timestamp{std::chrono::seconds{now}});
      second_ = now;
    }
    return text_;
  }

private:
  std::time_t second_ = 0;
  std::string text_;
};

// A connection, while it is open.
struct Session {
  Session(tcp::socket accepted, std::string peer)
      : socket{std::move(accepted)}, address{std::move(peer)} {}

  tcp::socket socket;
  std::string address;  // of the peer
  std::string counted_as = counted_address(address);
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
  beast::flat_buffer buffer{};
};

// Of what was written, what the peer has acknowledged.
std::uint64_t bytes_taken(Session& session) {
  int waiting = 0;
  const bool known = ioctl(session.socket.native_handle(), SIOCOUTQ, &waiting) == 0;
  const auto held = static_cast<std::uint64_t>(known ? std::max(waiting, 0) : 0);
  return session.written - std::min(held, session.written);
}

// Whether the peer took enough of an answer in the minute that is over; then another one begins.
bool keeps_taking(Session& session) {
  const auto taken = bytes_taken(session);
  if (!session.writes || taken < session.taken + kWindowBytes) {
    return false;
  }
  session.taken = taken;
  session.deadline = Clock::now() + kRateWindow;
  return true;
}

// How long a session may wait, until this goes. Not a timer for each: the server looks at all of
// them a few times a second.
class Limit {
public:
  Limit(Session& session, Clock::duration time) : session_{session} {
    session_.deadline = Clock::now() + time;
    session_.late = false;
  }
  ~Limit() { session_.deadline = Clock::time_point::max(); }
  Limit(const Limit&) = delete;
  Limit& operator=(const Limit&) = delete;

private:
  Session& session_;
};

// As long as the peer takes 1 KiB a second over any minute, or the last bytes within one. Buffers
// must outlive the call, which they do as locals of whoever waits for it.
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

class WireBody : public BodyStream {
public:
  WireBody(Session& session, Parser& parser) : session_{session}, parser_{parser} {}

  std::optional<std::uint64_t> content_length() const override {
    const auto length = parser_.content_length();
    return length ? std::optional<std::uint64_t>{*length} : std::nullopt;
  }

  bool peer_gone() const override {
    pollfd end{session_.socket.native_handle(), POLLRDHUP, 0};
    return poll(&end, 1, 0) > 0 && (end.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
  }

  asio::awaitable<std::size_t> read(std::span<std::byte> target) override {
    if (parser_.is_done()) {
      co_return 0;
    }
    if (!continued_) {
      continued_ = true;
      if (lower_case(parser_.get()[bhttp::field::expect]) == "100-continue") {
        co_await write_all(session_, asio::buffer(kContinue));
      }
    }
    auto& body = parser_.get().body();
    body.data = target.data();
    body.size = target.size();
    while (body.size == target.size() && !parser_.is_done()) {
      boost::system::error_code error;
      const auto before = Clock::now();
      const auto left = body.size;
      {
        const Limit limit{session_, kRateWindow};
        co_await bhttp::async_read_some(session_.socket, session_.buffer, parser_,
                                        asio::redirect_error(asio::use_awaitable, error));
      }
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

  Session& session_;
  Parser& parser_;
  bool continued_ = false;
  std::size_t window_bytes_ = 0;
  double window_seconds_ = 0;  // spent waiting for them
};

// The head of an answer; its last line is its framing.
std::string head_of(const Response& response, const Request& request, std::string_view date,
                    bool keep_alive, std::string_view framing) {
  std::string head;
  head.reserve(512);
  const auto reason = bhttp::obsolete_reason(static_cast<bhttp::status>(response.status));
  fmt::format_to(std::back_inserter(head),
                 "HTTP/1.1 {} {}\r\nDate: {}\r\nX-Request-Id: {}\r\n"
                 "X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n",
                 response.status, std::string_view{reason.data(), reason.size()}, date,
                 request.request_id);
  bool cache_control = false;
  for (const auto& [name, value] : response.headers) {
    head.append(name).append(": ").append(value).append("\r\n");
    cache_control = cache_control || name == "Cache-Control";
  }
  if (!cache_control) {
    head += "Cache-Control: private, no-cache\r\n";
  }
  if (!keep_alive) {
    head += "Connection: close\r\n";
  } else if (request.http_1_0) {
    head += "Connection: keep-alive\r\n";
  }
  return head.append(framing).append("\r\n");
}

std::string length_framing(std::uint64_t bytes) {
  return fmt::format("Content-Length: {}\r\n", bytes);
}

asio::awaitable<void> write_streamed(Session& session, const Response& response,
                                     const Request& request, std::string_view date,
                                     bool keep_alive) {
  const auto length = response.content_length;
  const std::string head =
      head_of(response, request, date, keep_alive,
              length ? length_framing(*length) : "Transfer-Encoding: chunked\r\n");
  co_await write_all(session, asio::buffer(head));
  if (request.method == "HEAD") {
    co_return;
  }
  std::uint64_t sent = 0;
  for (bool more = true; more;) {
    const std::string piece = co_await response.source();
    more = !piece.empty();
    sent += piece.size();
    if (length && (sent > *length || (!more && sent < *length))) {
      throw std::runtime_error("the content is not as long as was announced");
    }
    if (!length) {
      const auto size = fmt::format("{:x}\r\n", piece.size());
      const std::array<asio::const_buffer, 3> chunk{asio::buffer(size), asio::buffer(piece),
                                                    asio::buffer(kChunkEnd)};
      co_await write_all(session, chunk);
    } else if (more) {
      co_await write_all(session, asio::buffer(piece));
    }
  }
}

asio::awaitable<void> write_whole(Session& session, Response response, const Request& request,
                                  std::string_view date, bool keep_alive) {
  const bool bodiless = response.status == 204 || response.status == 304;
  const std::string head = head_of(response, request, date, keep_alive,
                                   bodiless ? "" : length_framing(response.body.size()));
  if (request.method == "HEAD") {
    response.body.clear();
  }
  const std::array<asio::const_buffer, 2> all{asio::buffer(head), asio::buffer(response.body)};
  co_await write_all(session, all);
}

constexpr std::size_t kMaxMessageBytes = 4096;
constexpr std::chrono::seconds kSilence{60};

class WireWebSocket : public WebSocket {
public:
  explicit WireWebSocket(Session& session) : session_{session}, stream_{session.socket} {
    stream_.read_message_max(kMaxMessageBytes);
    stream_.control_callback(
        [this](beast::websocket::frame_type, beast::string_view) { heard_ = Clock::now(); });
  }

  asio::awaitable<void> accept(const Parser::value_type& request, std::string request_id) {
    stream_.set_option(beast::websocket::stream_base::decorator(
        [id = std::move(request_id)](beast::websocket::response_type& answer) {
          answer.set("X-Request-Id", id);
        }));
    boost::system::error_code error;
    const Limit limit{session_, kFrameTimeout};
    co_await stream_.async_accept(request, asio::redirect_error(asio::use_awaitable, error));
    require_peer(error);
  }

  asio::awaitable<std::optional<std::string>> read(
      std::optional<std::chrono::seconds> limit) override {
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
    co_return std::string{received(buffer)};
  }

  asio::awaitable<void> write(std::string text) override {
    boost::system::error_code error;
    const Limit limit{session_, kFrameTimeout};
    stream_.text(true);
    co_await stream_.async_write(asio::buffer(text),
                                 asio::redirect_error(asio::use_awaitable, error));
    require_peer(error);
  }

  asio::awaitable<void> ping() override {
    if (Clock::now() - heard_ > kSilence) {
      throw PeerGone("it gave no sign of life");
    }
    boost::system::error_code error;
    const Limit limit{session_, kFrameTimeout};
    const beast::websocket::ping_data nothing;
    co_await stream_.async_ping(nothing, asio::redirect_error(asio::use_awaitable, error));
    require_peer(error);
  }

  asio::awaitable<void> close(std::uint16_t code, std::string reason) override {
    boost::system::error_code error;
    if (gave_up_) {
      // Beast writes nothing more once a read was cancelled; a frame of ours (RFC 6455, 5.5.1).
      std::string frame{"\x88"};
      frame += static_cast<char>(reason.size() + 2);
      frame += static_cast<char>(code >> 8);
      frame += static_cast<char>(code & 0xff);
      frame += reason;
      const Limit limit{session_, kLingerTime};
      co_await asio::async_write(session_.socket, asio::buffer(frame),
                                 asio::redirect_error(asio::use_awaitable, error));
    } else if (stream_.is_open()) {
      const Limit limit{session_, kLingerTime};
      const beast::websocket::close_reason why{static_cast<beast::websocket::close_code>(code),
                                               reason};
      co_await stream_.async_close(why, asio::redirect_error(asio::use_awaitable, error));
    }
    session_.socket.shutdown(tcp::socket::shutdown_both, error);
  }

private:
  Session& session_;
  beast::websocket::stream<tcp::socket&> stream_;
  Clock::time_point heard_ = Clock::now();
  bool gave_up_ = false;  // reading, for want of time
};

asio::awaitable<void> linger(Session& session) {
  boost::system::error_code error;
  session.socket.shutdown(tcp::socket::shutdown_send, error);
  std::vector<char> sink(kReadBufferBytes);
  const Limit limit{session, kLingerTime};
  for (std::size_t total = 0; total < kLingerBytes && !error;) {
    total += co_await session.socket.async_read_some(
        asio::buffer(sink), asio::redirect_error(asio::use_awaitable, error));
  }
}

}  // namespace

struct Server::State {
  State(asio::any_io_executor executor, const Router& routes, ConnectionLimits most,
        RequestObserver hears)
      : router{routes},
        limits{std::move(most)},
        observe{std::move(hears)},
        acceptor{executor},
        changed{executor} {}

  const Router& router;
  ConnectionLimits limits;
  RequestObserver observe;
  tcp::acceptor acceptor;
  asio::steady_timer changed;  // cancelled whenever a session ends
  std::set<Session*> sessions;
  std::size_t counted = 0;  // of them
  std::map<std::string, std::size_t> of_address;
  std::list<Session*> idle;  // the longest idle first
  HttpDate date;
  ConnectionCounts total;  // since the beginning
  bool stopping = false;

  // Makes room for another of this address, by ending an idle one where there is none. False: there
  // is no room.
  bool admits(const std::string& address) {
    const auto place = counted_address(address);
    const auto own = of_address.find(place);
    const bool address_full = own != of_address.end() && own->second >= limits.of_address &&
                              !limits.proxies.contains(address);
    if (!address_full && counted < limits.all) {
      return true;
    }
    const auto longest = std::find_if(idle.begin(), idle.end(), [&](const Session* session) {
      return !address_full || session->counted_as == place;
    });
    if (longest == idle.end()) {
      return false;
    }
    Session& session = **longest;
    end_idling(session);
    discount(session);
    session.ending = true;
    ++total.gave_way;
    cancel(session);
    return true;
  }
  void enter(Session& session) {
    sessions.insert(&session);
    ++total.accepted;
    session.counted = true;
    ++counted;
    ++of_address[session.counted_as];
  }
  void leave(Session& session) {
    end_idling(session);
    discount(session);
    sessions.erase(&session);
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
  // Ends what has been waited for too long.
  void end_late(Clock::time_point now) {
    for (Session* session : sessions) {
      if (session->deadline <= now && !keeps_taking(*session)) {
        total.late += session->late ? 0 : 1;
        session->late = true;
        cancel(*session);
      }
    }
  }
  static void cancel(Session& session) {
    boost::system::error_code ignored;
    session.socket.cancel(ignored);
  }

private:
  void discount(Session& session) {
    if (std::exchange(session.counted, false)) {
      --counted;
      const auto own = of_address.find(session.counted_as);
      if (--own->second == 0) {
        of_address.erase(own);
      }
    }
  }
};

namespace {

constexpr std::size_t kHeadPiece = 4 * 1024;

// Reads into the session's buffer. False when nothing more comes.
asio::awaitable<bool> read_more(Session& session) {
  boost::system::error_code error;
  const auto bytes = co_await session.socket.async_read_some(
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
  {
    const Limit limit{session, state.stopping ? kFreshTime : kIdleTimeout};
    state.begin_idling(session);
    bool more = true;
    for (drop_blank_lines(); more && buffer.size() == 0; drop_blank_lines()) {
      more = co_await read_more(session);
      boost::system::error_code ignored;
      if (!more && session.socket.available(ignored) > 0) {
        // It was told to end while a request was on its way.
        more = co_await read_more(session);
      }
    }
    state.end_idling(session);
    session.fresh = false;
    if (!more) {
      co_return ReceivedHead{};
    }
  }
  const Limit limit{session, kHeadTimeout};
  for (std::size_t looked_at = 0;;) {
    const auto end = head_end(received(buffer), looked_at);
    if (end) {
      const auto head = received(buffer).substr(0, *end);
      co_return ReceivedHead{*end, fault_of_head(head)};
    }
    if (auto fault = fault_of_beginning(received(buffer))) {
      co_return ReceivedHead{0, std::move(fault)};
    }
    looked_at = buffer.size();
    if (!co_await read_more(session)) {
      if (session.late) {
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
    log::write(log::Level::info,
               fmt::format("refused a request of {}: {}", session.address, fault->detail),
               {{"status", std::to_string(fault->status), true}, {"request", request.request_id}});
    auto response = head_fault_response(fault->status, fault->detail, request.request_id);
    co_await write_whole(session, std::move(response), request, state.date.text(), false);
    state.observe(request, fault->status, 0);
    co_await linger(session);
    co_return false;
  }
  const auto started = Clock::now();
  const auto& message = parser.get();
  const auto target = origin_form({message.target().data(), message.target().size()});
  const auto question = std::min(target.find('?'), target.size());
  request.http_1_0 = message.version() == 10;
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
  request.from_proxy = state.limits.proxies.contains(session.address);
  WireBody body{session, parser};
  request.stream = &body;

  Response response = co_await state.router.handle(request);
  if (response.web_socket) {
    WireWebSocket socket{session};
    state.observe(request, 101, seconds_since(started));
    log::write(log::Level::info, fmt::format("{} {}", request.method, request.path),
               {{"status", "101", true}, {"request", request.request_id}});
    co_await socket.accept(message, request.request_id);
    co_await response.web_socket(socket);
    co_return false;
  }
  const bool complete = parser.is_done();
  const bool keep_alive = complete && message.keep_alive() && !state.stopping && !session.ending;
  const int status = response.status;
  if (response.source) {
    co_await write_streamed(session, response, request, state.date.text(), keep_alive);
  } else {
    co_await write_whole(session, std::move(response), request, state.date.text(), keep_alive);
  }
  const double seconds = seconds_since(started);
  state.observe(request, status, seconds);
  log::write(log::Level::info, fmt::format("{} {}", request.method, request.path),
             {{"status", fmt::format_int{status}.str(), true},
              {"ms", fmt::format("{:.1f}", seconds * 1000), true},
              {"request", request.request_id}});
  if (!complete) {
    co_await linger(session);
  }
  co_return keep_alive;
}

template <class State>
asio::awaitable<void> serve_connection(std::shared_ptr<State> state,
                                       std::shared_ptr<Session> owned) {
  Session& session = *owned;
  struct Leaving {
    State& state;
    Session& session;
    ~Leaving() { state.leave(session); }
  } const leaving{*state, session};
  try {
    while (co_await serve_request(*state, session)) {
    }
  } catch (const PeerGone& error) {
    log::debug("a connection ended: {}", error.what());
  } catch (const std::exception& error) {
    // A body that failed half way through: the client sees the connection close too early.
    log::error("a connection was given up: {}", error.what());
  }
}

// While there are sessions, or may be.
template <class State>
asio::awaitable<void> watch_limits(std::shared_ptr<State> state) {
  asio::steady_timer timer{state->acceptor.get_executor()};
  while (!state->stopping || !state->sessions.empty()) {
    timer.expires_after(kLookInterval);
    co_await timer.async_wait(asio::use_awaitable);
    state->end_late(Clock::now());
  }
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

Server::Server(asio::any_io_executor executor, const Router& router, ListeningSocket socket,
               ConnectionLimits limits, RequestObserver observer)
    : state_{std::make_shared<State>(executor, router, std::move(limits), std::move(observer))} {
  const auto protocol = socket.is_v6() ? tcp::v6() : tcp::v4();
  state_->acceptor.assign(protocol, socket.release());
}

Server::~Server() = default;

ConnectionCounts Server::counts() const {
  auto counts = state_->total;
  counts.idle = state_->idle.size();
  counts.active = state_->sessions.size() - counts.idle;
  return counts;
}

asio::awaitable<void> Server::run() {
  const auto state = state_;
  asio::co_spawn(state->acceptor.get_executor(), watch_limits(state),
                 [](const std::exception_ptr&) {});
  while (!state->stopping) {
    boost::system::error_code error;
    tcp::socket socket =
        co_await state->acceptor.async_accept(asio::redirect_error(asio::use_awaitable, error));
    if (!error) {
      boost::system::error_code ignored;
      auto address = socket.remote_endpoint(ignored).address().to_string();
      if (!state->admits(address)) {
        turn_away(socket);
        ++state->total.turned_away;
        continue;
      }
      socket.set_option(tcp::no_delay{true}, ignored);
      setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &kUnsentBytes,
                 sizeof kUnsentBytes);
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

asio::awaitable<void> Server::stop(std::chrono::seconds grace, bool gently) {
  const auto state = state_;
  state->stopping = true;
  boost::system::error_code ignored;
  state->acceptor.close(ignored);
  const auto now = Clock::now();
  for (auto* session : std::list<Session*>{state->idle}) {
    if (session->fresh || gently) {
      session->deadline = std::min(session->deadline, now + kFreshTime);
    } else {
      State::cancel(*session);
    }
  }
  const auto end = std::chrono::steady_clock::now() + grace;
  while (!state->sessions.empty() && std::chrono::steady_clock::now() < end) {
    state->changed.expires_at(end);
    co_await state->changed.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
  for (auto* session : state->sessions) {
    State::cancel(*session);
  }
}

}  // namespace infernode::http
