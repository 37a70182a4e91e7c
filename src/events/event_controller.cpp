#include "events/event_controller.hpp"

#include <fmt/format.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>
#include <deque>

#include "core/json.hpp"
#include "core/log.hpp"
#include "http/handshake.hpp"
#include "http/problem.hpp"
#include "http/rate_limit.hpp"
#include "http/session_cookie.hpp"

namespace infernode {
namespace {

namespace json = boost::json;
using Clock = std::chrono::steady_clock;

// After so long without an event the line is tried, and it is asked whether the token still holds.
constexpr std::chrono::seconds kQuietTime{10};
constexpr std::chrono::seconds kIntroduction{5};
// A client that resumes says so at once; nothing is told before, so that nothing is told twice.
constexpr std::chrono::milliseconds kResumeTime{1000};
constexpr std::size_t kMaxReplies = 16;
// Messages of a user over WebSockets to this server, a minute. A resume may have a page of events
// read again.
constexpr std::int64_t kMessageQuota = 600;
// While the database is away a line is kept, for then a client would have to find another server
// that stands before the same database.
constexpr std::chrono::minutes kPatience{5};
constexpr std::chrono::seconds kPatientInterval{1};
constexpr const char* kReadScope = "read";
// RFC 6455, 7.4.1, and IANA's registry.
constexpr std::uint16_t kNotUnderstood = 1007;
constexpr std::uint16_t kPolicyViolation = 1008;
constexpr std::uint16_t kInternalFault = 1011;
constexpr std::uint16_t kServerRestarts = 1012;
constexpr std::uint16_t kTryAgainLater = 1013;

// Whether who presented this may (still) read.
asio::awaitable<std::optional<http::Principal>> reader_of(const http::Authenticator& authenticate,
                                                          http::Presented presented) {
  const auto principal = co_await authenticate(std::move(presented));
  if (!principal) {
    co_return std::nullopt;
  }
  const auto& scopes = principal->scopes;
  if (scopes && std::find(scopes->begin(), scopes->end(), kReadScope) == scopes->end()) {
    co_return std::nullopt;
  }
  co_return *principal;
}

// Of the header Last-Event-ID; nullopt when it is no number of ours.
std::optional<std::int64_t> number_of(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size() && number >= 0
             ? std::optional{number}
             : std::nullopt;
}

std::optional<std::int64_t> number_of(const json::value& value) {
  const auto* number = value.if_int64();
  return number != nullptr && *number >= 0 ? std::optional{*number} : std::nullopt;
}

// Who follows, as long as their token holds.
class Reader {
public:
  Reader(const http::Authenticator& authenticate, http::Presented presented,
         bool administers = false)
      : authenticate_{authenticate}, presented_{std::move(presented)}, administers_{administers} {}

  // Asks if it was not asked lately. Throws Unavailable.
  asio::awaitable<bool> still_reads() {
    if (until_asked() > Clock::duration::zero()) {
      co_return true;
    }
    const auto reader = co_await reader_of(authenticate_, presented_);
    asked_ = Clock::now();
    administers_ = reader && reader->is_admin;
    co_return reader.has_value();
  }
  // As of the last time that it asked.
  bool administers() const { return administers_; }
  Clock::duration until_asked() const { return asked_ + kQuietTime - Clock::now(); }

  // Waits a little; false when the database has been away for too long.
  asio::awaitable<bool> is_patient() const {
    asio::steady_timer timer{co_await asio::this_coro::executor, kPatientInterval};
    co_await timer.async_wait(asio::use_awaitable);
    co_return Clock::now() - asked_ < kPatience;
  }

private:
  const http::Authenticator& authenticate_;
  http::Presented presented_;
  bool administers_;
  Clock::time_point asked_ = Clock::now();
};

// The body of an answer of Server-Sent Events (HTML Living Standard, 9.2).
class SentEvents {
public:
  SentEvents(std::unique_ptr<Subscription> subscription, const http::Authenticator& authenticate,
             http::Presented presented)
      : subscription_{std::move(subscription)}, reader_{authenticate, std::move(presented)} {}

  asio::awaitable<std::string> next() {
    if (!std::exchange(begun_, true)) {
      // No event, but the place from which the client resumes should the line break before one.
      const auto place = subscription_->place();
      co_return place < 0 ? "retry: 1000\n\n" : fmt::format("retry: 1000\nid: {}\n\n", place);
    }
    try {
      if (!co_await reader_.still_reads()) {
        co_return "";
      }
      const auto told = co_await subscription_->next(reader_.until_asked());
      co_return subscription_->closed() ? "" : text_of(told);
    } catch (const Unavailable& error) {
      log::debug("a stream of events waits: {}", error.what());
    }
    const bool patient = co_await reader_.is_patient();
    co_return patient && !subscription_->closed() ? ":\n\n" : "";
  }

private:
  static std::string text_of(const std::vector<Told>& told) {
    if (told.empty()) {
      return ":\n\n";
    }
    std::string text;
    for (const auto& each : told) {
      if (each.id) {
        fmt::format_to(std::back_inserter(text), "id: {}\n", *each.id);
      }
      text.append("data: ").append(each.text).append("\n\n");
    }
    return text;
  }

  std::unique_ptr<Subscription> subscription_;
  Reader reader_;
  bool begun_ = false;
};

// One client of the WebSocket, from its first message to the end.
class EventSocket {
public:
  // A browser's session need not introduce itself.
  EventSocket(http::WebSocket& socket, EventHub& hub, const http::Authenticator& authenticate,
              http::RateLimit& messages, std::optional<http::Presented> session,
              const asio::any_io_executor& executor)
      : socket_{socket},
        hub_{hub},
        authenticate_{authenticate},
        messages_{messages},
        session_{std::move(session)},
        beginning_{executor} {}

  asio::awaitable<void> serve() {
    using asio::experimental::awaitable_operators::operator&&;
    const auto refusal = co_await begin();
    if (refusal.code != 0) {
      co_await socket_.close(refusal.code, refusal.reason);
      co_return;
    }
    co_await (listen() && tell());
  }

private:
  struct Refusal {
    std::uint16_t code = 0;
    std::string reason{};
  };

  // Up to the greeting; code 0: it has been sent.
  asio::awaitable<Refusal> begin() {
    if (session_) {
      return enter(*session_, std::nullopt);
    }
    return be_introduced();
  }

  asio::awaitable<Refusal> be_introduced() {
    const auto introduction = co_await socket_.read(kIntroduction);
    const auto message = parse_json(introduction.value_or(""));
    const auto* object = message ? message->if_object() : nullptr;
    const auto* after = object == nullptr ? nullptr : object->if_contains("after");
    if (object == nullptr || text_at(*object, "type") != "authenticate" ||
        (after != nullptr && !number_of(*after))) {
      co_return stranger();
    }
    http::Presented presented{text_at(*object, "token"), false};
    const auto place = after == nullptr ? std::nullopt : number_of(*after);
    co_return co_await enter(std::move(presented), place);
  }

  static Refusal stranger() {
    return {kPolicyViolation, "authenticate first, with a token that is valid"};
  }

  asio::awaitable<Refusal> enter(http::Presented presented, std::optional<std::int64_t> place) {
    try {
      const auto principal = co_await reader_of(authenticate_, presented);
      if (!principal) {
        co_return stranger();
      }
      reader_.emplace(authenticate_, std::move(presented), principal->is_admin);
      user_ = principal->id.to_string();
      resumed_ = place.has_value();
      auto subscription = co_await hub_.subscribe(principal->id, place);
      if (!subscription) {
        co_return Refusal{kTryAgainLater, subscription.error().detail};
      }
      subscription_ = std::move(*subscription);
    } catch (const Unavailable& error) {
      log::debug("a WebSocket was refused: {}", error.what());
      co_return Refusal{kTryAgainLater, "the database does not answer"};
    }
    const auto begins = std::max<std::int64_t>(subscription_->place(), 0);
    auto greeting = fmt::format(R"({{"type":"authenticated","after":{}}})", begins);
    co_await socket_.write(std::move(greeting));
    co_return Refusal{};
  }

  static std::string text_at(const json::object& object, const char* key) {
    const auto* value = object.if_contains(key);
    const auto* text = value == nullptr ? nullptr : value->if_string();
    return text == nullptr ? std::string{} : std::string{*text};
  }

  // Throws nothing.
  asio::awaitable<void> listen() {
    while (const auto text = co_await socket_.read()) {
      if (!messages_.take(user_, Clock::now()).admitted) {
        code_ = kPolicyViolation;
        break;
      }
      if (!take(*text)) {
        code_ = kNotUnderstood;
        break;
      }
      subscription_->wake();
    }
    gone_ = true;
    beginning_.cancel();
    subscription_->wake();
  }

  // Whether it was understood.
  bool take(const std::string& text) {
    const auto message = parse_json(text);
    const auto* object = message ? message->if_object() : nullptr;
    if (object == nullptr) {
      return false;
    }
    const auto type = text_at(*object, "type");
    if (type == "ping") {
      if (replies_.size() < kMaxReplies) {
        replies_.emplace_back(R"({"type":"pong"})");
      }
      return true;
    }
    const auto* after = object->if_contains("after");
    // Who has a session may say who it is all the same; the session counts.
    const bool introduced = session_ && type == "authenticate";
    if ((type == "resume" || introduced) && after != nullptr && number_of(*after)) {
      subscription_->resume_after(*number_of(*after));
      beginning_.cancel();
      return true;
    }
    return type == "pong" || introduced;
  }

  // Throws nothing.
  asio::awaitable<void> tell() {
    try {
      boost::system::error_code ignored;
      beginning_.expires_after(resumed_ ? std::chrono::milliseconds{0} : kResumeTime);
      co_await beginning_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
      co_await tell_all();
    } catch (const http::PeerGone& error) {
      log::debug("a WebSocket ended: {}", error.what());
    } catch (const std::exception& error) {
      log::warn("a WebSocket was given up: {}", error.what());
      code_ = kInternalFault;
    }
    co_await socket_.close(code_, "");
  }

  asio::awaitable<void> tell_all() {
    while (!gone_) {
      while (!replies_.empty()) {
        auto reply = std::move(replies_.front());
        replies_.pop_front();
        co_await socket_.write(std::move(reply));
      }
      std::vector<Told> told;
      bool away = false;
      try {
        const bool asks = reader_->until_asked() <= Clock::duration::zero();
        if (!co_await reader_->still_reads()) {
          code_ = kPolicyViolation;
          co_return;
        }
        // Who is made a user again hears no more of it.
        subscription_->follow_queue(reader_->administers());
        if (asks) {
          co_await socket_.ping();
        }
        told = co_await subscription_->next(reader_->until_asked());
      } catch (const Unavailable& error) {
        log::debug("a WebSocket waits: {}", error.what());
        away = true;
      }
      if (away && !co_await reader_->is_patient()) {
        code_ = kTryAgainLater;
        co_return;
      }
      if (subscription_->closed()) {
        code_ = kServerRestarts;
        co_return;
      }
      for (auto& each : told) {
        co_await socket_.write(std::move(each.text));
      }
    }
  }

  http::WebSocket& socket_;
  EventHub& hub_;
  const http::Authenticator& authenticate_;
  http::RateLimit& messages_;  // by user
  const std::optional<http::Presented> session_;
  asio::steady_timer beginning_;
  std::optional<Reader> reader_;
  std::unique_ptr<Subscription> subscription_;
  std::deque<std::string> replies_;
  std::string user_;
  bool resumed_ = false;  // with its introduction
  bool gone_ = false;
  std::uint16_t code_ = 1000;
};

struct EventRoutes {
  EventHub& hub;
  http::Authenticator authenticate;
  OriginSet origins;
  OwnsJob owns_job;
  std::unique_ptr<http::RateLimit> messages =
      std::make_unique<http::RateLimit>("messages", kMessageQuota);

  asio::awaitable<Result<http::Response>> stream(http::Request& request,
                                                 std::optional<JobId> job) const {
    const auto header = request.header("last-event-id");
    const auto after = header.empty() ? std::nullopt : number_of(header);
    if (!header.empty() && !after) {
      Error error{ErrorCode::malformed, "Last-Event-ID is the number of an event."};
      error.fields.push_back(FieldError{"Last-Event-ID", "is the number of an event"});
      co_return error;
    }
    auto presented = http::presented_by(request);
    if (!presented) {
      co_return presented.error();
    }
    auto subscription = co_await hub.subscribe(request.user(), after, job);
    if (!subscription) {
      co_return subscription.error();
    }
    const auto events =
        std::make_shared<SentEvents>(std::move(*subscription), authenticate, std::move(*presented));
    http::Response response;
    response.headers = {{"Content-Type", "text/event-stream"},
                        {"Cache-Control", "no-store"},
                        {"X-Accel-Buffering", "no"}};
    response.source = [events] { return events->next(); };
    co_return response;
  }

  asio::awaitable<Result<http::Response>> socket(http::Request& request) const {
    const auto origin = request.header("origin");
    if (!origin.empty() && origin != http::origin_of(request) && !origins.contains(origin)) {
      co_return http::not_same_origin(request);
    }
    http::Response response;
    if (auto refusal = http::refuse_handshake(request)) {
      response = std::move(*refusal);
    } else {
      std::optional<http::Presented> session;
      if (auto cookie = http::session_cookie(request);
          cookie && origin == http::origin_of(request)) {
        session = http::Presented{std::move(*cookie), true};
      }
      response.web_socket =
          [this, session = std::move(session)](http::WebSocket& socket) -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        EventSocket client{socket, hub, authenticate, *messages, session, executor};
        co_await client.serve();
      };
    }
    co_return response;
  }
};

}  // namespace

void add_event_routes(http::Router& router, EventHub& hub, http::Authenticator authenticate,
                      OriginSet origins, OwnsJob owns_job) {
  const auto routes =
      std::make_shared<const EventRoutes>(EventRoutes{.hub = hub,
                                                      .authenticate = std::move(authenticate),
                                                      .origins = std::move(origins),
                                                      .owns_job = std::move(owns_job)});
  router.on("streamEvents",
            [routes](http::Request& request) { return routes->stream(request, std::nullopt); });
  router.on("streamJobEvents",
            [routes](http::Request& request) -> asio::awaitable<Result<http::Response>> {
              const auto job = request.id<JobId>();
              const auto owned = co_await routes->owns_job(request.user(), job);
              if (!owned) {
                co_return owned.error();
              }
              co_return co_await routes->stream(request, job);
            });
  router.on("openWebSocket", [routes](http::Request& request) { return routes->socket(request); });
}

}  // namespace infernode
