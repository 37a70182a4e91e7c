#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <memory>

namespace infernode {

// Lets at most `slots` coroutines of one single-threaded executor pass at once; the others wait.
class AsyncSemaphore {
  struct State {
    State(const boost::asio::any_io_executor& executor, int count)
        : free{count}, changed{executor} {}
    int free;
    boost::asio::steady_timer changed;
  };

public:
  AsyncSemaphore(const boost::asio::any_io_executor& executor, int slots)
      : state_{std::make_shared<State>(executor, slots)} {
    state_->changed.expires_at(boost::asio::steady_timer::time_point::max());
  }

  // Holds one place; gives it back when destroyed.
  class Slot {
  public:
    explicit Slot(std::shared_ptr<State> state) : state_{std::move(state)} {}
    ~Slot() {
      if (state_) {
        ++state_->free;
        state_->changed.cancel_one();
      }
    }
    Slot(Slot&&) noexcept = default;
    Slot& operator=(Slot&&) = delete;

  private:
    std::shared_ptr<State> state_;
  };

  boost::asio::awaitable<Slot> acquire() {
    const auto state = state_;
    while (state->free == 0) {
      boost::system::error_code ignored;
      co_await state->changed.async_wait(
          boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
    }
    --state->free;
    co_return Slot{state};
  }

private:
  std::shared_ptr<State> state_;
};

}  // namespace infernode
