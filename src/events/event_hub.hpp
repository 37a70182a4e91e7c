#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "core/id.hpp"
#include "db/listener.hpp"
#include "db/pool.hpp"

namespace infernode {

namespace asio = boost::asio;

// What a subscriber is told: a JSON object, and the number of a logged event.
struct Told {
  std::optional<std::int64_t> id;
  std::string text;
};

struct HubState;

// A user's events from a place on, each once and in order, and the progress of the jobs that run.
class Subscription {
public:
  explicit Subscription(std::shared_ptr<HubState> hub, UserId user, std::optional<JobId> job);
  ~Subscription();
  Subscription(const Subscription&) = delete;
  Subscription& operator=(const Subscription&) = delete;

  // The number of the last logged event that was told, or that it began after.
  std::int64_t place() const;
  // Goes on after this one, which may be an earlier one.
  void resume_after(std::int64_t id);
  // What there is to tell, waiting up to `patience` for it; empty when there is nothing, when it
  // was woken, or when the hub has closed. What is not kept any more is told as
  // {"type":"reset","id":n}: the subscriber reads anew, and goes on from n. Throws what the
  // database throws.
  asio::awaitable<std::vector<Told>> next(std::chrono::steady_clock::duration patience);
  // Whether it also tells how the queue stands (EventHub::tell_queue()), from now on.
  void follow_queue(bool follows);
  // Ends the waiting of next().
  void wake();
  // The server stops; there is nothing more to come.
  bool closed() const;

private:
  friend class EventHub;
  struct State;
  std::unique_ptr<State> state_;
};

// Hands the events of users to whoever follows them in this process. Events are logged in the
// transaction of the change; that there are new ones it hears from this process's own connections,
// by NOTIFY from other processes, and should both be lost, by looking now and then.
class EventHub {
public:
  // On three connections of its own.
  EventHub(asio::any_io_executor executor, std::string conninfo);
  ~EventHub();
  EventHub(const EventHub&) = delete;
  EventHub& operator=(const EventHub&) = delete;

  // The SQLSTATE of the notices by which a connection hears that its transaction logged events.
  static constexpr const char* kNoticeState = "01IEV";
  static constexpr const char* kChannel = "infernode_events";

  // What it does, for ever: finds out what is new, and follows how far jobs have come; tells other
  // processes what this one has logged.
  asio::awaitable<void> follow();
  asio::awaitable<void> follow_progress();
  asio::awaitable<void> announce();
  // Of kChannel; an empty one says that some may have been missed.
  void hear(const db::Notification& notification);
  // This process has logged events of these users.
  void logged(std::vector<std::string> users);
  // Forgets events that are older.
  asio::awaitable<std::int64_t> sweep(int keep_seconds);

  // From now on, or from behind an event that the user had; of one job alone if it is given.
  // too_many_requests: so many follow this user already. Throws what the database throws.
  asio::awaitable<Result<std::unique_ptr<Subscription>>> subscribe(
      UserId user, std::optional<std::int64_t> after, std::optional<JobId> job = {});
  // Whether somebody follows the queue, and what they are told: JSON. Of what was told meanwhile, a
  // follower that is slow hears the newest.
  bool queue_is_followed() const;
  void tell_queue(const std::string& queue);
  // The pools of its connections.
  std::vector<db::Pool*> pools() const;
  // Ends what waits, and all that follows; for a server that stops.
  void close();
  std::size_t subscribers() const;

private:
  std::shared_ptr<HubState> state_;
};

}  // namespace infernode
