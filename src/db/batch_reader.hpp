#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace infernode::db {

namespace asio = boost::asio;

// Reads things by their keys, for many requests in one statement: while one is under way, those who
// ask wait for the next, which is for all of them. Each thing is read after it was asked for.
template <class Key, class Value>
class BatchReader {
public:
  using Found = std::vector<std::pair<Key, std::shared_ptr<const Value>>>;
  // Those that there are, each once, in any order.
  using Load = std::function<asio::awaitable<Found>(std::vector<Key> keys)>;

  explicit BatchReader(Load load) : state_{std::make_shared<State>(State{std::move(load)})} {}

  // Null when there is none. Throws what loading throws, to all that waited for the same.
  asio::awaitable<std::shared_ptr<const Value>> find(Key key) {
    const auto executor = co_await asio::this_coro::executor;
    if (!state_->next) {
      state_->next = std::make_shared<Batch>(executor);
    }
    const auto batch = state_->next;
    batch->keys.push_back(key);
    if (!std::exchange(state_->reading, true)) {
      asio::co_spawn(executor, read(state_), [](const std::exception_ptr&) {});
    }
    while (!batch->finished) {
      boost::system::error_code ignored;
      co_await batch->done.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
    if (batch->failure) {
      std::rethrow_exception(batch->failure);
    }
    for (const auto& [found, value] : batch->found) {
      if (found == key) {
        co_return value;
      }
    }
    co_return nullptr;
  }

private:
  // One statement's worth, and those who wait for it.
  struct Batch {
    explicit Batch(const asio::any_io_executor& executor)
        : done{executor, asio::steady_timer::time_point::max()} {}

    std::vector<Key> keys;
    Found found;
    std::exception_ptr failure;
    bool finished = false;
    asio::steady_timer done;  // cancelled when it is finished
  };
  struct State {
    Load load;
    std::shared_ptr<Batch> next{};  // collects
    bool reading = false;           // a statement is under way
  };

  // As long as somebody waits.
  static asio::awaitable<void> read(std::shared_ptr<State> state) {
    while (state->next) {
      const auto batch = std::exchange(state->next, nullptr);
      try {
        batch->found = co_await state->load(batch->keys);
      } catch (...) {
        batch->failure = std::current_exception();
      }
      batch->finished = true;
      batch->done.cancel();
    }
    state->reading = false;
  }

  std::shared_ptr<State> state_;
};

}  // namespace infernode::db
