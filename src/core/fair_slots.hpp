#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "core/cancellation.hpp"

namespace infernode {

// Lets at most `slots` coroutines of one single-threaded executor pass at once, and `per_user` of
// one user. A free place goes to the user who holds fewest, among equals to who has waited longest.
class FairSlots {
  struct State;

public:
  FairSlots(boost::asio::any_io_executor executor, int slots, int per_user);

  // Holds one place; gives it back when destroyed.
  class Slot {
  public:
    Slot(std::shared_ptr<State> state, std::string user)
        : state_{std::move(state)}, user_{std::move(user)} {}
    ~Slot();
    Slot(Slot&&) noexcept = default;
    Slot& operator=(Slot&&) = delete;

  private:
    std::shared_ptr<State> state_;
    std::string user_;
  };

  // Throws Cancelled.
  boost::asio::awaitable<Slot> acquire(std::string user, std::shared_ptr<Cancellation> cancel);

private:
  std::shared_ptr<State> state_;
};

}  // namespace infernode
