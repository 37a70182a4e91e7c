#include "db/pool.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <deque>
#include <optional>
#include <set>
#include <vector>

#include "core/clock.hpp"
#include "core/log.hpp"

namespace infernode::db {
namespace {

constexpr std::chrono::seconds kAcquireTimeout{8};

// A coroutine that waits for a connection. The one that gives it something cancels the timer.
struct Waiter {
  explicit Waiter(const asio::any_io_executor& executor) : timer{executor, kAcquireTimeout} {}

  asio::steady_timer timer;
  std::unique_ptr<Connection> given;
  bool may_open = false;  // a place is kept for it, in which it opens a connection of its own
};

}  // namespace

struct PoolState {
  asio::any_io_executor executor;
  std::string conninfo;
  int size = 0;
  int open = 0;  // idle, borrowed, being opened, and kept for a waiter
  bool closed = false;
  std::optional<std::string> suspended;  // why
  std::vector<std::unique_ptr<Connection>> idle;
  std::set<Connection*> borrowed;
  std::deque<std::shared_ptr<Waiter>> waiters;
  std::int64_t round_trips = 0;  // of connections that are gone
  std::function<void(double)> on_wait = [](double) {};
  const char* noticed_state = "";
  std::function<void(std::vector<std::string>)> on_notices;

  std::shared_ptr<Waiter> next_waiter() {
    const auto waiter = waiters.front();
    waiters.pop_front();
    waiter->timer.cancel();
    return waiter;
  }
  // A place has become free.
  void drop() {
    --open;
    if (!waiters.empty() && open < size) {
      ++open;
      next_waiter()->may_open = true;
    }
  }
  void forget(const Connection& connection) { round_trips += connection.round_trips(); }
  void give_back(std::unique_ptr<Connection> connection) {
    borrowed.erase(connection.get());
    if (closed || suspended || !connection->usable()) {
      forget(*connection);
      drop();
    } else if (!waiters.empty()) {
      borrowed.insert(connection.get());
      next_waiter()->given = std::move(connection);
    } else {
      idle.push_back(std::move(connection));
    }
  }
};

namespace {

asio::awaitable<void> roll_back(std::shared_ptr<PoolState> pool,
                                std::unique_ptr<Connection> connection) {
  try {
    co_await connection->execute(kRollback);
  } catch (const std::exception& error) {
    log::warn("a connection was dropped after a failed rollback: {}", error.what());
    connection->abandon();
  }
  pool->give_back(std::move(connection));
}

// Keeps the count of open connections right when opening fails.
class OpeningPlace {
public:
  explicit OpeningPlace(std::shared_ptr<PoolState> pool) : pool_{std::move(pool)} {}
  ~OpeningPlace() {
    if (pool_) {
      pool_->drop();
    }
  }
  OpeningPlace(const OpeningPlace&) = delete;
  OpeningPlace& operator=(const OpeningPlace&) = delete;
  void keep() { pool_.reset(); }

private:
  std::shared_ptr<PoolState> pool_;
};

// In a place that is counted already.
asio::awaitable<PooledConnection> open_in_place(std::shared_ptr<PoolState> state) {
  OpeningPlace place{state};
  auto connection = co_await Connection::open(state->executor, state->conninfo);
  place.keep();
  connection->on_notices(state->noticed_state, state->on_notices);
  state->borrowed.insert(connection.get());
  co_return PooledConnection{state, std::move(connection)};
}

}  // namespace

PooledConnection::PooledConnection(std::shared_ptr<PoolState> pool,
                                   std::unique_ptr<Connection> connection)
    : pool_{std::move(pool)}, connection_{std::move(connection)} {}

PooledConnection::~PooledConnection() {
  if (!connection_) {
    return;
  }
  if (!pool_->closed && connection_->usable() && connection_->in_transaction()) {
    auto executor = pool_->executor;
    // roll_back() throws nothing.
    asio::co_spawn(executor, roll_back(std::move(pool_), std::move(connection_)),
                   [](const std::exception_ptr&) {});
    return;
  }
  pool_->give_back(std::move(connection_));
}

Transaction::Transaction(PooledConnection connection) : connection_{std::move(connection)} {}

void Transaction::queue(Command command, Check check) {
  queued_.push_back(Queued{std::move(command), std::move(check)});
}

asio::awaitable<std::vector<Rows>> Transaction::send_with(std::vector<Command> commands) {
  const auto queued = std::exchange(queued_, {});
  std::vector<Command> all;
  all.reserve(1 + queued.size() + commands.size());
  if (!begun_) {
    all.push_back(command(kBegin));
  }
  const std::size_t first = all.size();
  for (const auto& entry : queued) {
    all.push_back(entry.command);
  }
  const std::size_t own = all.size();
  for (auto& each : commands) {
    all.push_back(std::move(each));
  }
  begun_ = true;
  auto results = co_await connection_->execute_all(std::move(all));
  for (std::size_t i = 0; i < queued.size(); ++i) {
    if (queued[i].check) {
      queued[i].check(results[first + i]);
    }
  }
  results.erase(results.begin(), results.begin() + static_cast<std::ptrdiff_t>(own));
  co_return results;
}

asio::awaitable<std::vector<Rows>> Transaction::execute_all(std::vector<Command> commands) {
  co_return co_await send_with(std::move(commands));
}

asio::awaitable<void> Transaction::commit() {
  if (!begun_ && queued_.empty()) {
    co_return;
  }
  if (begun_ && !connection_->in_transaction()) {
    throw std::logic_error("commit without a transaction");
  }
  std::vector<Command> commands;
  // A check that throws must find the transaction open.
  for (const auto& entry : queued_) {
    if (entry.check) {
      co_await send_with(std::move(commands));
      commands = {};
      break;
    }
  }
  commands.push_back(command(kCommit));
  const auto results = co_await send_with(std::move(commands));
  // In a transaction that has failed PostgreSQL answers COMMIT with ROLLBACK, and calls it success.
  if (results.back().tag() != "COMMIT") {
    throw SqlError("db.commit: the transaction had failed and was rolled back", "25P02", "", 0, 1);
  }
}

Pool::Pool(asio::any_io_executor executor, std::string conninfo, int size)
    : state_{std::make_shared<PoolState>()} {
  state_->executor = std::move(executor);
  state_->conninfo = std::move(conninfo);
  state_->size = size;
}

Pool::~Pool() {
  close();
}

void Pool::close() {
  state_->closed = true;
  state_->open -= static_cast<int>(state_->idle.size());
  state_->idle.clear();
}

void Pool::suspend(std::string reason) {
  const bool before = state_->suspended.has_value();
  state_->suspended = std::move(reason);
  if (before) {
    return;
  }
  state_->open -= static_cast<int>(state_->idle.size());
  for (const auto& connection : state_->idle) {
    state_->forget(*connection);
  }
  state_->idle.clear();
  for (auto* connection : state_->borrowed) {
    connection->abandon();
  }
  while (!state_->waiters.empty()) {
    state_->next_waiter();
  }
}

void Pool::resume() {
  state_->suspended.reset();
}

void Pool::on_notices(const char* sqlstate, std::function<void(std::vector<std::string>)> heard) {
  state_->noticed_state = sqlstate;
  state_->on_notices = std::move(heard);
}

std::int64_t Pool::round_trips() const {
  std::int64_t total = state_->round_trips;
  for (const auto& connection : state_->idle) {
    total += connection->round_trips();
  }
  for (const auto* connection : state_->borrowed) {
    total += connection->round_trips();
  }
  return total;
}

PoolUse Pool::use() const {
  return {state_->open, static_cast<int>(state_->borrowed.size()),
          static_cast<int>(state_->waiters.size())};
}

void Pool::on_wait(std::function<void(double seconds)> heard) {
  state_->on_wait = std::move(heard);
}

asio::awaitable<PooledConnection> Pool::acquire() {
  const auto state = state_;
  if (state->suspended) {
    throw Unavailable(*state->suspended);
  }
  while (!state->idle.empty()) {
    auto connection = std::move(state->idle.back());
    state->idle.pop_back();
    if (connection->check()) {
      state->borrowed.insert(connection.get());
      state->on_wait(0);
      co_return PooledConnection{state, std::move(connection)};
    }
    state->forget(*connection);
    --state->open;
  }
  if (state->closed) {
    throw Unavailable("the server is shutting down");
  }
  if (state->open < state->size) {
    ++state->open;
    co_return co_await open_in_place(state);
  }
  const auto begun = std::chrono::steady_clock::now();
  const auto waiter = std::make_shared<Waiter>(state->executor);
  state->waiters.push_back(waiter);
  boost::system::error_code ignored;
  co_await waiter->timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  if (waiter->given || waiter->may_open) {
    state->on_wait(seconds_since(begun));
  }
  if (waiter->given) {
    co_return PooledConnection{state, std::move(waiter->given)};
  }
  if (waiter->may_open) {
    co_return co_await open_in_place(state);
  }
  std::erase(state->waiters, waiter);
  throw Unavailable(state->suspended.value_or("every database connection is busy"));
}

asio::awaitable<Transaction> Pool::begin() {
  auto connection = co_await acquire();
  co_return Transaction{std::move(connection)};
}

asio::awaitable<std::vector<Rows>> Pool::execute_all(std::vector<Command> commands) {
  const auto connection = co_await acquire();
  co_return co_await connection->execute_all(std::move(commands));
}

}  // namespace infernode::db
