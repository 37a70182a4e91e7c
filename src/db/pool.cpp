#include "db/pool.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <deque>
#include <vector>

#include "core/log.hpp"

namespace infernode::db {
namespace {

constexpr std::chrono::seconds kAcquireTimeout{10};
constexpr Statement kBegin{"db.begin", "BEGIN"};
constexpr Statement kCommit{"db.commit", "COMMIT"};
constexpr Statement kRollback{"db.rollback", "ROLLBACK"};

// A coroutine that waits for a connection. The one that gives it a turn sets `granted`.
struct Waiter {
  explicit Waiter(const asio::any_io_executor& executor) : timer{executor, kAcquireTimeout} {}

  asio::steady_timer timer;
  bool granted = false;
};

}  // namespace

struct PoolState {
  asio::any_io_executor executor;
  std::string conninfo;
  int size = 0;
  int open = 0;  // idle, borrowed and being opened
  bool closed = false;
  std::vector<std::unique_ptr<Connection>> idle;
  std::deque<std::shared_ptr<Waiter>> waiters;

  void wake_one() {
    if (!waiters.empty()) {
      waiters.front()->granted = true;
      waiters.front()->timer.cancel();
      waiters.pop_front();
    }
  }
  void drop() {
    --open;
    wake_one();
  }
  void give_back(std::unique_ptr<Connection> connection) {
    if (closed || !connection->usable()) {
      drop();
      return;
    }
    idle.push_back(std::move(connection));
    wake_one();
  }
};

namespace {

asio::awaitable<void> roll_back(std::shared_ptr<PoolState> pool,
                                std::unique_ptr<Connection> connection) {
  try {
    co_await connection->execute(kRollback);
    pool->give_back(std::move(connection));
  } catch (const std::exception& error) {
    log::warn("a connection was dropped after a failed rollback: {}", error.what());
    pool->drop();
  }
}

// Keeps the count of open connections right when opening fails.
class OpeningSlot {
public:
  explicit OpeningSlot(std::shared_ptr<PoolState> pool) : pool_{std::move(pool)} { ++pool_->open; }
  ~OpeningSlot() {
    if (pool_) {
      pool_->drop();
    }
  }
  OpeningSlot(const OpeningSlot&) = delete;
  OpeningSlot& operator=(const OpeningSlot&) = delete;
  void keep() { pool_.reset(); }

private:
  std::shared_ptr<PoolState> pool_;
};

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
    asio::co_spawn(executor, roll_back(std::move(pool_), std::move(connection_)),
                   [](const std::exception_ptr&) {});
    return;
  }
  pool_->give_back(std::move(connection_));
}

asio::awaitable<void> Transaction::commit() const {
  const bool failed = !connection_->in_transaction();
  if (failed) {
    throw std::logic_error("commit without a transaction");
  }
  co_await connection_->execute(kCommit);
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

asio::awaitable<PooledConnection> Pool::acquire() {
  const auto state = state_;
  for (;;) {
    while (!state->idle.empty()) {
      auto connection = std::move(state->idle.back());
      state->idle.pop_back();
      if (connection->usable()) {
        co_return PooledConnection{state, std::move(connection)};
      }
      --state->open;
    }
    if (state->closed) {
      throw Unavailable("the server is shutting down");
    }
    if (state->open < state->size) {
      OpeningSlot slot{state};
      auto connection = co_await Connection::open(state->executor, state->conninfo);
      slot.keep();
      co_return PooledConnection{state, std::move(connection)};
    }
    const auto waiter = std::make_shared<Waiter>(state->executor);
    state->waiters.push_back(waiter);
    boost::system::error_code ignored;
    co_await waiter->timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    if (!waiter->granted) {
      std::erase(state->waiters, waiter);
      throw Unavailable("every database connection is busy");
    }
  }
}

asio::awaitable<Transaction> Pool::begin() {
  auto connection = co_await acquire();
  co_await connection->execute(kBegin);
  co_return Transaction{std::move(connection)};
}

}  // namespace infernode::db
