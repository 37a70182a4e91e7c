#include "core/fair_slots.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace infernode {

namespace asio = boost::asio;

struct FairSlots::State {
  struct Waiter {
    std::string user;
    asio::steady_timer granted_or_cancelled;
    bool granted = false;
  };

  asio::any_io_executor executor;
  int free = 0;
  int per_user = 0;
  std::map<std::string, int> held;
  std::list<std::shared_ptr<Waiter>> waiting;  // who came first is first

  int held_by(const std::string& user) const {
    const auto found = held.find(user);
    return found == held.end() ? 0 : found->second;
  }

  void grant() {
    while (free > 0) {
      auto next = waiting.end();
      for (auto each = waiting.begin(); each != waiting.end(); ++each) {
        const int holds = held_by((*each)->user);
        if (holds < per_user && (next == waiting.end() || holds < held_by((*next)->user))) {
          next = each;
        }
      }
      if (next == waiting.end()) {
        return;
      }
      const auto waiter = *next;
      waiting.erase(next);
      --free;
      ++held[waiter->user];
      waiter->granted = true;
      waiter->granted_or_cancelled.cancel();
    }
  }

  void give_back(const std::string& user) {
    ++free;
    if (--held[user] == 0) {
      held.erase(user);
    }
    grant();
  }
};

FairSlots::FairSlots(asio::any_io_executor executor, int slots, int per_user)
    : state_{std::make_shared<State>(State{std::move(executor), slots, per_user, {}, {}})} {}

FairSlots::Slot::~Slot() {
  if (state_) {
    state_->give_back(user_);
  }
}

asio::awaitable<FairSlots::Slot> FairSlots::acquire(std::string user,
                                                    std::shared_ptr<Cancellation> cancel) {
  const auto state = state_;
  const auto waiter = std::make_shared<State::Waiter>(
      State::Waiter{user, asio::steady_timer{state->executor}, false});
  waiter->granted_or_cancelled.expires_at(asio::steady_timer::time_point::max());
  state->waiting.push_back(waiter);
  state->grant();
  if (!waiter->granted && !cancel->cancelled()) {
    const Cancellation::Hook hook{*cancel, [waiter] { waiter->granted_or_cancelled.cancel(); }};
    boost::system::error_code ignored;
    co_await waiter->granted_or_cancelled.async_wait(
        asio::redirect_error(asio::use_awaitable, ignored));
  }
  if (!waiter->granted) {
    state->waiting.remove(waiter);
    throw Cancelled("cancelled while it waited for its turn");
  }
  co_return Slot{state, std::move(user)};
}

}  // namespace infernode
