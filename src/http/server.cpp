#include "http/server.hpp"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <ctime>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "core/address_set.hpp"
#include "core/clock.hpp"
#include "core/log.hpp"
#include "http/forwarded.hpp"
#include "http/problem.hpp"
#include "http/request_head.hpp"
#include "http/session.hpp"
#include "http/wire_answer.hpp"
#include "http/wire_body.hpp"
#include "http/wire_web_socket.hpp"

namespace infernode::http {
namespace {

namespace bhttp = boost::beast::http;
using asio::ip::tcp;
using Clock = Session::Clock;
using HeadParser = bhttp::request_parser<bhttp::empty_body>;

constexpr std::size_t kReadBufferBytes = 64 * 1024;
constexpr std::chrono::seconds kIdleTimeout{60};  // between requests
constexpr std::chrono::seconds kHeadTimeout{10};  // from its first byte to its last
// What the kernel takes of an answer beyond what is on its way (TCP_NOTSENT_LOWAT): else slow
// readers cost megabytes each.
constexpr int kUnsentBytes = 256 * 1024;
// An answer to a body that was not read to its end may be lost when we close at once, since the
// kernel then sends a reset; so a little more is read and thrown away first.
constexpr std::size_t kLingerBytes = 4 * 1024 * 1024;
constexpr std::chrono::seconds kLingerTime{2};
// Who has connected means to send a request: this long a server that stops waits for it.
constexpr std::chrono::seconds kFreshTime{1};
constexpr std::chrono::milliseconds kLookInterval{200};  // at the limits of sessions
constexpr std::size_t kMaxFarewells = 100;  // connections that are turned away at the same time
constexpr int kClosedByClient = 499;        // what is counted where no answer was sent

// X-Request-Id from the request if it is sane, else a new one.
std::string request_id(const std::string& given) {
  const bool sane = !given.empty() && given.size() <= 100 &&
                    given.find_first_not_of(
                        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                        "0123456789-_.") == std::string::npos;
  return sane ? given : uuid_text(random_uuid());
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
        changed{executor},
        bulk_turns{executor} {}

  const Router& router;
  ConnectionLimits limits;
  RequestObserver observe;
  tcp::acceptor acceptor;
  asio::steady_timer changed;  // cancelled whenever a session ends
  Turns bulk_turns;
  std::set<Session*> sessions;
  std::set<Session*> farewells;  // there is no room for these
  std::size_t counted = 0;       // of them
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
    for (Session* session : farewells) {
      if (session->deadline <= now) {
        cancel(*session);
      }
    }
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
constexpr std::size_t kKeptBuffer = 8 * 1024;  // of a connection that waits

// What reading a head came to: its size in the buffer, or why there is none.
struct ReceivedHead {
  std::size_t bytes = 0;
  std::optional<HeadFault> fault{};  // neither: the peer has gone
};

template <class State>
asio::awaitable<ReceivedHead> receive_head(State& state, Session& session) {
  auto& buffer = session.buffer;
  // A blank line may stand before a request (RFC 9112, 2.2).
  const auto drop_blank_lines = [&session, &buffer] {
    while (received(session).starts_with("\r\n")) {
      buffer.consume(2);
    }
  };
  {
    const Limit limit{session, state.stopping ? kFreshTime : kIdleTimeout};
    if (buffer.size() == 0 && buffer.capacity() > kKeptBuffer) {
      buffer.shrink_to_fit();  // after a body
    }
    state.begin_idling(session);
    bool more = true;
    for (drop_blank_lines(); more && buffer.size() == 0; drop_blank_lines()) {
      more = co_await read_more(session, kHeadPiece);
      boost::system::error_code ignored;
      if (!more && session.socket.available(ignored) > 0) {
        // It was told to end while a request was on its way.
        more = co_await read_more(session, kHeadPiece);
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
    const auto end = head_end(received(session), looked_at);
    if (end) {
      const auto head = received(session).substr(0, *end);
      co_return ReceivedHead{*end, fault_of_head(head)};
    }
    if (auto fault = fault_of_beginning(received(session))) {
      co_return ReceivedHead{0, std::move(fault)};
    }
    looked_at = buffer.size();
    if (!co_await read_more(session, kHeadPiece)) {
      if (session.late) {
        const HeadFault late{
            408, fmt::format("The head of a request takes {} s at most.", kHeadTimeout.count())};
        co_return ReceivedHead{0, late};
      }
      co_return ReceivedHead{};
    }
  }
}

// Tells of a request once, however it ends: what broke off half way is seen too.
class Record {
public:
  Record(const RequestObserver& observe, const Request& request)
      : observe_{observe}, request_{request} {}
  ~Record() { tell(); }
  // What goes on for long tells at its beginning. Throws nothing.
  void tell() {
    if (std::exchange(told_, true)) {
      return;
    }
    const double seconds = seconds_since(started_);
    try {
      observe_(request_, status, seconds);
      const auto what = request_.method.empty()
                            ? fmt::format("refused a request of {}: {}", request_.address, detail)
                            : fmt::format("{} {}", request_.method, request_.path);
      log::write(log::Level::info, whole ? what : what + " (broke off)",
                 {{"status", fmt::format_int{status}.str(), true},
                  {"ms", fmt::format("{:.1f}", seconds * 1000), true},
                  {"request", request_.request_id}});
    } catch (const std::exception& error) {
      log::error("a request could not be told of: {}", error.what());
    }
  }
  Record(const Record&) = delete;
  Record& operator=(const Record&) = delete;

  int status = kClosedByClient;
  bool whole = false;  // the last byte of the answer was sent
  std::string detail{};

private:
  const RequestObserver& observe_;
  const Request& request_;
  const Clock::time_point started_ = Clock::now();
  bool told_ = false;
};

// The request that a sound head makes.
Request request_of(const HeadParser::value_type& head, const Session& session,
                   const AddressSet& proxies) {
  Request request;
  auto target = parse_target({head.target().data(), head.target().size()});
  request.http_1_0 = head.version() == 10;
  request.method = std::string{head.method_string()};
  request.path = std::move(target.path);
  request.query_string = std::move(target.query);
  for (const auto& field : head) {
    // A field that comes twice is a list (RFC 9110, 5.3); what takes no list refuses that.
    const auto [entry, fresh] =
        request.headers.emplace(lower_case(field.name_string()), std::string{field.value()});
    if (!fresh) {
      entry->second += ", " + std::string{field.value()};
    }
  }
  if (!target.authority.empty()) {
    request.headers["host"] = std::move(target.authority);  // RFC 9112, 3.2.2
  }
  request.request_id = request_id(request.header("x-request-id"));
  request.address = client_address(proxies, session.address, request.headers);
  request.from_proxy = proxies.contains(session.address);
  return request;
}

WireBody::Framing framing_of(const Request& request) {
  WireBody::Framing framing;
  framing.chunked = !request.header("transfer-encoding").empty();
  const auto length = request.header("content-length");
  framing.length_said = !length.empty();
  framing.length = framing.length_said ? std::stoull(length) : 0;
  framing.expects_continue = !request.http_1_0 && !request.header("expect").empty();
  return framing;
}

template <class State>
asio::awaitable<void> refuse_head(State& state, Session& session, HeadFault fault) {
  Request request;
  request.request_id = request_id("");
  request.address = session.address;
  {
    Record record{state.observe, request};
    record.status = fault.status;
    record.detail = fault.detail;
    auto response = head_fault_response(fault.status, fault.detail, request.request_id);
    co_await write_answer(session, std::move(response), request, state.date.text(), false);
    record.whole = true;
  }
  co_await linger(session);
}

// Answers one request. Returns whether the connection can take another.
template <class State>
asio::awaitable<bool> serve_request(State& state, Session& session) {
  ReceivedHead head = co_await receive_head(state, session);
  if (head.bytes == 0 && !head.fault) {
    co_return false;
  }
  HeadParser parser;
  parser.header_limit(kMaxHeadBytes);
  parser.body_limit(boost::none);  // each reader bounds its own body
  if (!head.fault) {
    boost::system::error_code error;
    parser.put(asio::const_buffer{session.buffer.data().data(), head.bytes}, error);
    session.buffer.consume(head.bytes);
    if (error && error != bhttp::error::need_more) {
      head.fault = HeadFault{400, "This is not HTTP/1.1: " + error.message() + "."};
    }
  }
  if (head.fault) {
    co_await refuse_head(state, session, std::move(*head.fault));
    co_return false;
  }
  const auto& message = parser.get();
  Request request = request_of(message, session, state.limits.proxies);
  WireBody body{session, framing_of(request)};
  request.stream = &body;
  bool complete = false;
  bool keep_alive = false;
  {
    Record record{state.observe, request};
    Response response = co_await state.router.handle(request);
    if (response.web_socket) {
      WireWebSocket socket{session};
      co_await socket.accept(message, state.date.text(), request.request_id);
      record.status = 101;
      record.whole = true;
      record.tell();
      co_await response.web_socket(socket);
      co_return false;
    }
    if (!body.complete()) {
      co_await body.drop_what_came();
    }
    complete = body.complete();
    const bool endless = response.source && !response.content_length && request.http_1_0;
    keep_alive = complete && message.keep_alive() && !state.stopping && !session.ending && !endless;
    record.status = response.status;
    co_await write_answer(session, std::move(response), request, state.date.text(), keep_alive);
    record.whole = true;
  }
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
  while (!state->stopping || !state->sessions.empty() || !state->farewells.empty()) {
    timer.expires_after(kLookInterval);
    co_await timer.async_wait(asio::use_awaitable);
    state->end_late(Clock::now());
  }
}

// Says that there is no room. The request is read and dropped for a moment: a connection that is
// closed before would reset, and take the answer with it.
template <class State>
asio::awaitable<void> turn_away(std::shared_ptr<State> state, std::shared_ptr<Session> session) {
  struct Ending {
    State& state;
    Session* session;
    ~Ending() { state.farewells.erase(session); }
  } const ending{*state, session.get()};
  Request request;
  request.request_id = request_id("");
  Error full{ErrorCode::unavailable,
             "There are too many connections; close some, or try again later."};
  full.retry_after = 1;
  auto response = problem_response(full, request.request_id);
  try {
    co_await write_answer(*session, std::move(response), request, state->date.text(), false);
    co_await linger(*session);
  } catch (const PeerGone&) {
    co_return;
  }
}

void prepare(tcp::socket& socket) {
  boost::system::error_code ignored;
  socket.set_option(tcp::no_delay{true}, ignored);
  setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &kUnsentBytes,
             sizeof kUnsentBytes);
}

// Serves a connection that was accepted, if there is room for it.
template <class State>
void take(const std::shared_ptr<State>& state, tcp::socket socket) {
  boost::system::error_code ignored;
  const auto executor = state->acceptor.get_executor();
  auto address = socket.remote_endpoint(ignored).address().to_string();
  const bool admitted = state->admits(address);
  prepare(socket);
  const auto session =
      std::make_shared<Session>(std::move(socket), std::move(address), state->bulk_turns);
  if (admitted) {
    state->enter(*session);
    auto serving = serve_connection(state, session);
    asio::co_spawn(executor, std::move(serving), [](const std::exception_ptr&) {});
    return;
  }
  ++state->total.turned_away;
  if (state->farewells.size() < kMaxFarewells) {
    state->farewells.insert(session.get());
    auto leaving = turn_away(state, session);
    asio::co_spawn(executor, std::move(leaving), [](const std::exception_ptr&) {});
  }
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
      take(state, std::move(socket));
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
  state->acceptor.cancel(ignored);
  state->acceptor.non_blocking(true, ignored);
  // Whom the kernel has let in already would be reset.
  boost::system::error_code none;
  for (int taken = 0; !none && taken < SOMAXCONN; ++taken) {
    tcp::socket socket{state->acceptor.get_executor()};
    state->acceptor.accept(socket, none);
    if (!none) {
      take(state, std::move(socket));
    }
  }
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
  for (const auto* open : {&state->sessions, &state->farewells}) {
    for (auto* session : *open) {
      State::cancel(*session);
    }
  }
}

}  // namespace infernode::http
