#include "db/pool.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "core/clock.hpp"
#include "core/log.hpp"

namespace infernode::db {
namespace {

// What a connection is wanted for.
enum class Use { statements, transaction };

// A coroutine that waits for a connection. The one that gives it something cancels the timer.
struct Waiter {
  Waiter(const asio::any_io_executor& executor, std::chrono::seconds patience, Use wanted_for)
      : timer{executor, patience}, use{wanted_for} {}

  asio::steady_timer timer;
  Use use;
  std::unique_ptr<Connection> given;
  bool may_open = false;  // a place is kept for it, in which it opens a connection of its own
};

}  // namespace

struct PoolState {
  asio::any_io_executor executor;
  std::string conninfo;
  int size = 0;
  std::chrono::seconds patience{0};
  int open = 0;          // idle, borrowed, being opened, and kept for a waiter
  int transactions = 0;  // of them for transactions
  bool closed = false;
  std::optional<std::string> suspended;  // why
  std::vector<std::unique_ptr<Connection>> idle;
  std::map<Connection*, Use> borrowed;
  std::deque<std::shared_ptr<Waiter>> waiters;
  std::int64_t round_trips = 0;  // of connections that are gone
  std::function<void(double)> on_wait = [](double) {};
  const char* noticed_state = "";
  std::function<void(std::vector<std::string>)> on_notices;

  // Transactions wait for each other's locks; a third of the connections is never theirs, so that
  // what only asks does not wait with them.
  bool may_have(Use use) const { return use == Use::statements || transactions < size - size / 3; }
  // A connection, or a place for one, now is for this; and no more.
  void count(Use use, int change) { transactions += use == Use::transaction ? change : 0; }
  // The first that may have a connection, if anybody.
  std::shared_ptr<Waiter> next_waiter() {
    const auto found = std::find_if(waiters.begin(), waiters.end(),
                                    [&](const auto& waiter) { return may_have(waiter->use); });
    if (found == waiters.end()) {
      return nullptr;
    }
    const auto waiter = *found;
    waiters.erase(found);
    waiter->timer.cancel();
    count(waiter->use, 1);
    return waiter;
  }
  // A place that was for this has become free.
  void drop(Use use) {
    --open;
    count(use, -1);
    if (const auto waiter = open < size ? next_waiter() : nullptr) {
      ++open;
      waiter->may_open = true;
    }
  }
  void forget(const Connection& connection) { round_trips += connection.round_trips(); }
  void give_back(std::unique_ptr<Connection> connection) {
    const auto use = borrowed.at(connection.get());
    borrowed.erase(connection.get());
    if (closed || suspended || !connection->usable()) {
      forget(*connection);
      drop(use);
      return;
    }
    count(use, -1);
    if (const auto waiter = next_waiter()) {
      borrowed.emplace(connection.get(), waiter->use);
      waiter->given = std::move(connection);
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
  OpeningPlace(std::shared_ptr<PoolState> pool, Use use) : pool_{std::move(pool)}, use_{use} {}
  ~OpeningPlace() {
    if (pool_) {
      pool_->drop(use_);
    }
  }
  OpeningPlace(const OpeningPlace&) = delete;
  OpeningPlace& operator=(const OpeningPlace&) = delete;
  void keep() { pool_.reset(); }

private:
  std::shared_ptr<PoolState> pool_;
  Use use_;
};

// In a place that is counted already.
asio::awaitable<PooledConnection> open_in_place(std::shared_ptr<PoolState> state, Use use) {
  OpeningPlace place{state, use};
  auto connection = co_await Connection::open(state->executor, state->conninfo);
  place.keep();
  connection->on_notices(state->noticed_state, state->on_notices);
  state->borrowed.emplace(connection.get(), use);
  co_return PooledConnection{state, std::move(connection)};
}

// Waits for a free connection as long as the pool says. Throws Unavailable.
asio::awaitable<PooledConnection> acquire_for(std::shared_ptr<PoolState> state, Use use) {
  if (state->suspended) {
    throw Unavailable(*state->suspended);
  }
  while (!state->idle.empty() && state->may_have(use)) {
    auto connection = std::move(state->idle.back());
    state->idle.pop_back();
    if (connection->check()) {
      state->borrowed.emplace(connection.get(), use);
      state->count(use, 1);
      state->on_wait(0);
      co_return PooledConnection{state, std::move(connection)};
    }
    state->forget(*connection);
    --state->open;
  }
  if (state->closed) {
    throw Unavailable("the server is shutting down");
  }
  if (state->open < state->size && state->may_have(use)) {
    ++state->open;
    state->count(use, 1);
    co_return co_await open_in_place(state, use);
  }
  const auto begun = std::chrono::steady_clock::now();
  const auto waiter = std::make_shared<Waiter>(state->executor, state->patience, use);
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
    co_return co_await open_in_place(state, use);
  }
  std::erase(state->waiters, waiter);
  throw Unavailable(state->suspended.value_or("every database connection is busy"));
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

Pool::Pool(asio::any_io_executor executor, std::string conninfo, int size,
           std::chrono::seconds patience)
    : state_{std::make_shared<PoolState>()} {
  state_->executor = std::move(executor);
  state_->conninfo = std::move(conninfo);
  state_->size = size;
  state_->patience = patience;
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
  for (const auto& entry : state_->borrowed) {
    entry.first->abandon();
  }
  for (const auto& waiter : std::exchange(state_->waiters, {})) {
    waiter->timer.cancel();
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
  for (const auto& entry : state_->borrowed) {
    total += entry.first->round_trips();
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
  return acquire_for(state_, Use::statements);
}

asio::awaitable<Transaction> Pool::begin() {
  auto connection = co_await acquire_for(state_, Use::transaction);
  co_return Transaction{std::move(connection)};
}

asio::awaitable<std::vector<Rows>> Pool::execute_all(std::vector<Command> commands) {
  const auto connection = co_await acquire();
  co_return co_await connection->execute_all(std::move(commands));
}

}  // namespace infernode::db
