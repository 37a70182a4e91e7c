#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "db/connection.hpp"

namespace infernode::db {

struct PoolState;

// Connections of a pool, and who waits for one.
struct PoolUse {
  int open = 0;      // those being opened included
  int borrowed = 0;  // of them
  int waiting = 0;
};

// A connection borrowed from a Pool; goes back when destroyed. One that was left inside a
// transaction is rolled back first.
class PooledConnection {
public:
  PooledConnection(std::shared_ptr<PoolState> pool, std::unique_ptr<Connection> connection);
  ~PooledConnection();
  PooledConnection(PooledConnection&&) noexcept = default;
  PooledConnection& operator=(PooledConnection&&) = delete;

  Connection& operator*() const { return *connection_; }
  Connection* operator->() const { return connection_.get(); }

private:
  std::shared_ptr<PoolState> pool_;
  std::unique_ptr<Connection> connection_;
};

// An open transaction. Destroyed without commit() it is rolled back. BEGIN goes out together with
// the first statement.
class Transaction : public Executor {
public:
  explicit Transaction(PooledConnection connection);

  asio::awaitable<std::vector<Rows>> execute_all(std::vector<Command> commands) override;

  // Goes out with the next statement that is waited for, or with the commit: for what nobody waits
  // for. Its error is thrown there. `check` sees the result before whoever waits sees theirs, and
  // may throw.
  using Check = std::function<void(const Rows&)>;
  void queue(Command command, Check check = {});
  template <class... Args>
  void queue(const Statement& statement, const Args&... args) {
    queue(command(statement, args...));
  }

  // Throws SqlError (nothing was committed) or ConnectionLost (not known).
  asio::awaitable<void> commit();

private:
  struct Queued {
    Command command;
    Check check;
  };
  asio::awaitable<std::vector<Rows>> send_with(std::vector<Command> commands);

  PooledConnection connection_;
  std::vector<Queued> queued_;
  bool begun_ = false;
};

// Up to `size` connections, opened when needed and checked when borrowed; handed out in the order
// in which they were asked for, but a third of them never to transactions, which may wait for each
// other's locks. Belongs to one single-threaded executor.
class Pool : public Executor {
public:
  // `patience`: how long is waited for a free connection.
  Pool(asio::any_io_executor executor, std::string conninfo, int size,
       std::chrono::seconds patience = std::chrono::seconds{8});
  ~Pool() override;
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // Throws Unavailable where none becomes free.
  asio::awaitable<PooledConnection> acquire();
  asio::awaitable<Transaction> begin();
  asio::awaitable<std::vector<Rows>> execute_all(std::vector<Command> commands) override;

  // The database does not answer: what is under way ends with ConnectionLost, and nothing new is
  // tried, until resume().
  void suspend(std::string reason);
  void resume();
  // Closes idle connections now and the others when they come back.
  void close();
  PoolUse use() const;
  // `heard` gets, for each acquire() that is given a connection, how long it waited, in seconds.
  void on_wait(std::function<void(double seconds)> heard);
  // As Connection::on_notices(), of all connections that are opened from now on.
  void on_notices(const char* sqlstate, std::function<void(std::vector<std::string>)> heard);
  // By every connection so far.
  std::int64_t round_trips() const;

private:
  std::shared_ptr<PoolState> state_;
};

}  // namespace infernode::db
