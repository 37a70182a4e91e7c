#include "accounts/user_reader.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <utility>
#include <vector>

#include "accounts/user_dao.hpp"

namespace infernode {
namespace {

// One statement's worth of users, and those who wait for it.
struct UserBatch {
  explicit UserBatch(const asio::any_io_executor& executor)
      : done{executor, asio::steady_timer::time_point::max()} {}

  std::vector<UserId> ids;
  std::vector<std::shared_ptr<const User>> found;
  std::exception_ptr failure;
  bool finished = false;
  asio::steady_timer done;  // cancelled when it is finished
};

}  // namespace

struct UserReader::State {
  db::Pool& database;
  std::shared_ptr<UserBatch> next{};  // collects
  bool reading = false;               // a statement is under way

  static asio::awaitable<void> read(std::shared_ptr<State> state);
};

// As long as somebody waits.
asio::awaitable<void> UserReader::State::read(std::shared_ptr<State> state) {
  while (state->next) {
    const auto batch = std::exchange(state->next, nullptr);
    try {
      auto users = co_await user_dao::find_all(state->database, batch->ids);
      for (auto& user : users) {
        batch->found.push_back(std::make_shared<const User>(std::move(user)));
      }
    } catch (...) {
      batch->failure = std::current_exception();
    }
    batch->finished = true;
    batch->done.cancel();
  }
  state->reading = false;
}

UserReader::UserReader(db::Pool& database) : state_{std::make_shared<State>(State{database})} {}

asio::awaitable<std::shared_ptr<const User>> UserReader::find(UserId id) {
  const auto executor = co_await asio::this_coro::executor;
  if (!state_->next) {
    state_->next = std::make_shared<UserBatch>(executor);
  }
  const auto batch = state_->next;
  batch->ids.push_back(id);
  if (!std::exchange(state_->reading, true)) {
    asio::co_spawn(executor, State::read(state_), [](const std::exception_ptr&) {});
  }
  while (!batch->finished) {
    boost::system::error_code ignored;
    co_await batch->done.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
  if (batch->failure) {
    std::rethrow_exception(batch->failure);
  }
  for (const auto& user : batch->found) {
    if (user->id == id) {
      co_return user;
    }
  }
  co_return nullptr;
}

}  // namespace infernode
