#include "core/turns.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <deque>

namespace infernode {

namespace asio = boost::asio;

struct Turns::State {
  asio::any_io_executor executor;
  bool taken = false;
  std::deque<std::shared_ptr<asio::steady_timer>> waiting;  // cancelled for their turn

  // The next one comes behind what is ready by then: Asio looks for what has become ready each time
  // that it has gone through what was.
  static void pass_on(std::shared_ptr<State> state) {
    auto& executor = state->executor;
    asio::post(executor, [state = std::move(state)] {
      if (state->waiting.empty()) {
        state->taken = false;
        return;
      }
      state->waiting.front()->cancel();
      state->waiting.pop_front();
      pass_on(state);
    });
  }
};

Turns::Turns(asio::any_io_executor executor) : state_{std::make_shared<State>()} {
  state_->executor = std::move(executor);
}

asio::awaitable<void> Turns::take() {
  const auto state = state_;
  if (!state->taken) {
    state->taken = true;
    State::pass_on(state);
    co_return;
  }
  const auto timer = std::make_shared<asio::steady_timer>(state->executor);
  timer->expires_at(std::chrono::steady_clock::time_point::max());
  state->waiting.push_back(timer);
  boost::system::error_code ignored;
  co_await timer->async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

}  // namespace infernode
