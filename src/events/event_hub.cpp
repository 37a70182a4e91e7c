#include "events/event_hub.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <deque>
#include <map>
#include <set>

#include "core/log.hpp"
#include "events/event_dao.hpp"

namespace infernode {
namespace {

using Clock = std::chrono::steady_clock;

// For what subscribers ask; what is new is followed on one more, so that nobody delays it.
constexpr int kConnections = 2;
constexpr std::size_t kMaxSubscribersOfUser = 200;
// Newest events of a user that are at hand without the database.
constexpr std::size_t kRecent = 256;
constexpr int kPage = 200;
// How often it is looked for what nobody has told.
constexpr std::chrono::seconds kLookInterval{2};
// Of jobs that run, while somebody follows their user.
constexpr std::chrono::milliseconds kProgressInterval{250};
// After a fault of the database.
constexpr std::chrono::seconds kRetryInterval{1};
constexpr int kSweptAtOnce = 10'000;

std::string text_of(const Event& event) {
  return fmt::format(R"({{"id":{},"type":"{}","{}":{}}})", event.id, event.type, event.type,
                     event.body);
}

std::string text_of(const RunningJob& job) {
  return fmt::format(
      R"({{"type":"progress","job":{{"id":"{}","progress":{{"done":{},"total":{}}}}}}})",
      job.id.to_string(), job.done, job.total);
}

struct Logged {
  std::int64_t id;
  std::string subject;
  std::string text;
};

struct Progress {
  std::int64_t done = 0;
  std::uint64_t version = 0;  // of the feed, when it changed
  std::string text;
};

// What those who follow one user have in common.
struct Feed {
  std::size_t subscribers = 0;
  std::optional<std::int64_t> last;  // number of the newest event that is known
  std::deque<std::shared_ptr<const Logged>> recent;
  std::map<std::string, Progress> running;  // by the job's id
  std::uint64_t version = 0;                // of `running`
  bool may_run = true;                      // jobs, as far as is known
  std::uint64_t told = 1;                   // how often it was told that there is something
  std::uint64_t looked = 0;                 // what `told` was when it was last looked for it
  std::set<asio::steady_timer*> waiting;

  void wake() {
    for (auto* timer : waiting) {
      timer->cancel();
    }
  }
};

}  // namespace

struct HubState {
  HubState(asio::any_io_executor on, const std::string& conninfo)
      : executor{on},
        pool{on, conninfo, kConnections},
        following{on, conninfo, 1},
        news{on},
        outgoing{on},
        starting{on} {}

  asio::any_io_executor executor;
  db::Pool pool;
  db::Pool following;
  std::map<UserId, std::shared_ptr<Feed>> feeds;
  asio::steady_timer news;      // cancelled when a feed is told of something
  asio::steady_timer outgoing;  // cancelled when there is something to announce
  asio::steady_timer starting;  // cancelled when jobs may run
  std::set<std::string> unannounced;
  std::set<Subscription*> following_queue;
  std::string queue;                // as it is told
  std::uint64_t queue_version = 0;  // how often it was told
  bool closed = false;

  asio::awaitable<void> pause(Clock::duration time) const {
    asio::steady_timer timer{executor};
    timer.expires_after(time);
    co_await timer.async_wait(asio::use_awaitable);
  }
  void tell(Feed& feed) {
    ++feed.told;
    news.cancel();
  }
  std::vector<event_dao::Place> places(bool told_only) const {
    std::vector<event_dao::Place> places;
    for (const auto& [user, feed] : feeds) {
      if (feed->last && (!told_only || feed->told != feed->looked)) {
        places.push_back({user, *feed->last});
      }
    }
    return places;
  }
};

struct Subscription::State {
  State(std::shared_ptr<HubState> state, UserId of, std::optional<JobId> one)
      : hub{std::move(state)}, user{of}, timer{hub->executor} {
    if (one) {
      job = one->to_string();
    }
    auto& known = hub->feeds[user];
    if (!known) {
      known = std::make_shared<Feed>();
    }
    feed = known;
    ++feed->subscribers;
  }

  std::int64_t last() const { return std::max(feed->last.value(), newest); }
  // One that never was is of another database, or made up.
  void begin_after(std::int64_t id) { place = id > last() ? -1 : id; }

  bool wants(const std::string& type_subject) const { return job.empty() || job == type_subject; }

  std::shared_ptr<HubState> hub;
  UserId user;
  std::string job;  // empty: all
  std::shared_ptr<Feed> feed;
  asio::steady_timer timer;
  std::int64_t place = 0;
  std::int64_t newest = 0;  // that was there when it began; the feed may not have come so far
  std::uint64_t seen_version = 0;
  std::uint64_t seen_queue = 0;
  bool woken = false;

  // What is at hand.
  void take_recent(std::vector<Told>& told) {
    const auto& recent = feed->recent;
    if (recent.empty() || recent.front()->id > place + 1) {
      return;
    }
    for (auto at = static_cast<std::size_t>(place + 1 - recent.front()->id); at < recent.size();
         ++at) {
      place = recent[at]->id;
      if (wants(recent[at]->subject)) {
        told.push_back({place, recent[at]->text});
      }
    }
  }

  void take_progress(std::vector<Told>& told) {
    for (const auto& [id, progress] : feed->running) {
      if (progress.version > seen_version && wants(id)) {
        told.push_back({std::nullopt, progress.text});
      }
    }
    seen_version = feed->version;
  }

  // What is not at hand any more, out of the database.
  asio::awaitable<void> take_page(std::vector<Told>& told) {
    const event_dao::Place from{user, place};
    const auto page = co_await event_dao::list_after(hub->pool, from, kPage);
    if (place != from.after) {  // the subscriber went elsewhere meanwhile
      co_return;
    }
    if (page.empty() || page.front().id > place + 1) {
      place = last();
      told.push_back({place, fmt::format(R"({{"type":"reset","id":{}}})", place)});
      co_return;
    }
    for (const auto& event : page) {
      place = event.id;
      if (wants(event.subject)) {
        told.push_back({place, text_of(event)});
      }
    }
  }
};

Subscription::Subscription(std::shared_ptr<HubState> hub, UserId user, std::optional<JobId> job)
    : state_{std::make_unique<State>(std::move(hub), user, job)} {}

Subscription::~Subscription() {
  state_->hub->following_queue.erase(this);
  auto& feeds = state_->hub->feeds;
  if (--state_->feed->subscribers == 0) {
    feeds.erase(state_->user);
  }
}

std::int64_t Subscription::place() const {
  return state_->place;
}

void Subscription::resume_after(std::int64_t id) {
  state_->begin_after(id);
  state_->seen_version = 0;
}

void Subscription::follow_queue(bool follows) {
  if (!follows) {
    state_->hub->following_queue.erase(this);
  } else if (state_->hub->following_queue.insert(this).second) {
    state_->seen_queue = state_->hub->queue_version;
  }
}

bool Subscription::closed() const {
  return state_->hub->closed;
}

void Subscription::wake() {
  state_->woken = true;
  state_->timer.cancel();
}

asio::awaitable<std::vector<Told>> Subscription::next(Clock::duration patience) {
  auto& state = *state_;
  const auto end = Clock::now() + patience;
  std::vector<Told> told;
  while (!state.hub->closed) {
    if (state.place < state.last()) {
      state.take_recent(told);
    }
    if (told.empty() && state.place < state.last()) {
      co_await state.take_page(told);
      if (told.empty()) {
        continue;
      }
    }
    // Of a job that is told to run, and of those that follow a place that has been reached.
    if (state.place == state.last()) {
      state.take_progress(told);
    }
    if (state.hub->following_queue.contains(this) && state.seen_queue != state.hub->queue_version) {
      state.seen_queue = state.hub->queue_version;
      told.push_back({std::nullopt, state.hub->queue});
    }
    if (!told.empty() || std::exchange(state.woken, false) || Clock::now() >= end) {
      break;
    }
    state.timer.expires_at(end);
    state.feed->waiting.insert(&state.timer);
    boost::system::error_code ignored;
    co_await state.timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    state.feed->waiting.erase(&state.timer);
  }
  co_return told;
}

namespace {

// What is new of the users that somebody follows.
asio::awaitable<void> follow_news(std::shared_ptr<HubState> state) {
  auto next_look = Clock::now() + kLookInterval;
  for (;;) {
    if (Clock::now() >= next_look) {
      next_look = Clock::now() + kLookInterval;
      auto all = state->places(false);
      if (!all.empty()) {
        for (const auto user : co_await event_dao::list_behind(state->following, std::move(all))) {
          if (const auto feed = state->feeds.find(user); feed != state->feeds.end()) {
            state->tell(*feed->second);
          }
        }
      }
    }
    auto places = state->places(true);
    if (places.empty()) {
      state->news.expires_at(next_look);
      boost::system::error_code ignored;
      co_await state->news.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
      continue;
    }
    std::map<UserId, std::pair<std::shared_ptr<Feed>, std::uint64_t>> asked;
    for (const auto& place : places) {
      const auto& feed = state->feeds.at(place.user);
      asked.emplace(place.user, std::pair{feed, feed->told});
    }
    const auto news = co_await event_dao::list_news(state->following, std::move(places), kPage);
    std::map<UserId, int> counts;
    for (const auto& [user, event] : news) {
      auto& feed = *asked.at(user).first;
      ++counts[user];
      if (event.id <= feed.last.value()) {
        continue;
      }
      if (event.id != *feed.last + 1) {  // what lay between is not kept any more
        feed.recent.clear();
      }
      feed.last = event.id;
      feed.recent.push_back(
          std::make_shared<const Logged>(Logged{event.id, event.subject, text_of(event)}));
      if (feed.recent.size() > kRecent) {
        feed.recent.pop_front();
      }
      if (event.type == "job") {
        feed.may_run = true;
        state->starting.cancel();
      }
    }
    for (auto& [user, entry] : asked) {
      auto& [feed, told] = entry;
      // A full page may have another behind it.
      feed->looked = counts[user] == kPage ? feed->looked : told;
      feed->wake();
    }
  }
}

// How far their jobs have come.
asio::awaitable<void> follow_running(std::shared_ptr<HubState> state) {
  for (;;) {
    std::vector<UserId> users;
    for (const auto& [user, feed] : state->feeds) {
      if (feed->may_run) {
        users.push_back(user);
      }
    }
    if (users.empty()) {
      state->starting.expires_at(Clock::time_point::max());
      boost::system::error_code ignored;
      co_await state->starting.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
      continue;
    }
    std::map<UserId, std::map<std::string, RunningJob>> running;
    std::map<UserId, std::uint64_t> told;
    for (const auto user : users) {
      running[user];
      told[user] = state->feeds.at(user)->told;
    }
    const auto jobs = co_await event_dao::list_running(state->pool, std::move(users));
    for (const auto& job : jobs) {
      running[job.user].emplace(job.id.to_string(), job);
    }
    for (auto& entry : running) {
      const auto& user = entry.first;
      auto& now = entry.second;
      const auto found = state->feeds.find(user);
      if (found == state->feeds.end()) {
        continue;
      }
      auto& feed = *found->second;
      feed.may_run = !now.empty() || feed.told != told.at(user);
      std::erase_if(feed.running, [&](const auto& job) { return !now.contains(job.first); });
      const auto before = feed.version;
      for (const auto& [id, job] : now) {
        auto& known = feed.running[id];
        if (known.version == 0 || known.done != job.done) {
          known = {job.done, ++feed.version, text_of(job)};
        }
      }
      if (feed.version != before) {
        feed.wake();
      }
    }
    co_await state->pause(kProgressInterval);
  }
}

// Does this anew when the database was away: who follows is not to wait longer than for the
// database itself.
asio::awaitable<void> persist(std::shared_ptr<HubState> state,
                              asio::awaitable<void> (*work)(std::shared_ptr<HubState>)) {
  for (;;) {
    try {
      co_await work(state);
    } catch (const Unavailable& error) {
      log::debug("following events: {}", error.what());
    }
    co_await state->pause(kRetryInterval);
  }
}

}  // namespace

EventHub::EventHub(asio::any_io_executor executor, std::string conninfo)
    : state_{std::make_shared<HubState>(std::move(executor), conninfo)} {}

EventHub::~EventHub() {
  close();
  state_->pool.close();
  state_->following.close();
}

void EventHub::close() {
  state_->closed = true;
  for (const auto& [user, feed] : state_->feeds) {
    feed->wake();
  }
}

std::vector<db::Pool*> EventHub::pools() const {
  return {&state_->pool, &state_->following};
}

std::size_t EventHub::subscribers() const {
  std::size_t count = 0;
  for (const auto& [user, feed] : state_->feeds) {
    count += feed->subscribers;
  }
  return count;
}

void EventHub::hear(const db::Notification& notification) {
  if (notification.channel.empty()) {
    for (const auto& [user, feed] : state_->feeds) {
      state_->tell(*feed);
    }
    return;
  }
  const auto user = UserId::parse(notification.payload);
  const auto feed = user ? state_->feeds.find(*user) : state_->feeds.end();
  if (feed != state_->feeds.end()) {
    state_->tell(*feed->second);
  }
}

void EventHub::logged(std::vector<std::string> users) {
  for (auto& user : users) {
    hear({kChannel, user});
    state_->unannounced.insert(std::move(user));
  }
  state_->outgoing.cancel();
}

asio::awaitable<void> EventHub::announce() {
  const auto state = state_;
  for (;;) {
    while (!state->unannounced.empty()) {
      // What comes meanwhile goes out together with the next.
      auto users = std::exchange(state->unannounced, {});
      std::vector<std::string> list{users.begin(), users.end()};
      bool told = true;
      try {
        co_await event_dao::announce(state->pool, std::move(list));
      } catch (const Unavailable& error) {
        log::debug("others are told of events later: {}", error.what());
        told = false;
      }
      if (!told) {
        state->unannounced.merge(users);
        co_await state->pause(kRetryInterval);
      }
    }
    state->outgoing.expires_at(Clock::time_point::max());
    boost::system::error_code ignored;
    co_await state->outgoing.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
}

asio::awaitable<void> EventHub::follow() {
  return persist(state_, follow_news);
}

asio::awaitable<void> EventHub::follow_progress() {
  return persist(state_, follow_running);
}

bool EventHub::queue_is_followed() const {
  return !state_->following_queue.empty();
}

void EventHub::tell_queue(const std::string& queue) {
  state_->queue = fmt::format(R"({{"type":"queue","queue":{}}})", queue);
  ++state_->queue_version;
  for (auto* subscription : state_->following_queue) {
    subscription->state_->timer.cancel();
  }
}

asio::awaitable<std::int64_t> EventHub::sweep(int keep_seconds) {
  const auto state = state_;
  std::int64_t all = 0;
  for (;;) {
    const auto removed = co_await event_dao::remove_older(state->pool, keep_seconds, kSweptAtOnce);
    all += removed;
    if (removed == 0) {
      co_return all;
    }
  }
}

asio::awaitable<Result<std::unique_ptr<Subscription>>> EventHub::subscribe(
    UserId user, std::optional<std::int64_t> after, std::optional<JobId> job) {
  const auto state = state_;
  const auto known = state->feeds.find(user);
  if (known != state->feeds.end() && known->second->subscribers >= kMaxSubscribersOfUser) {
    co_return Error{
        ErrorCode::too_many_requests,
        fmt::format("At most {} may follow one user's events on a server.", kMaxSubscribersOfUser)};
  }
  auto subscription = std::make_unique<Subscription>(state, user, job);
  const auto last = co_await event_dao::last_id(state->pool, user);
  auto& feed = *subscription->state_->feed;
  if (!feed.last) {
    feed.last = last;
  }
  // Also for what was logged since, when nobody knew where this user's events are.
  state->tell(feed);
  subscription->state_->newest = last;
  subscription->state_->begin_after(after.value_or(last));
  feed.may_run = true;
  state->starting.cancel();
  co_return subscription;
}

}  // namespace infernode
