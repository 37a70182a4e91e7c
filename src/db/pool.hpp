#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <memory>
#include <string>

#include "db/connection.hpp"

namespace infernode::db {

struct PoolState;

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

// An open transaction. Destroyed without commit() it is rolled back.
class Transaction {
public:
  explicit Transaction(PooledConnection connection) : connection_{std::move(connection)} {}

  // Throws SqlError (nothing was committed) or ConnectionLost (not known).
  asio::awaitable<void> commit() const;
  Connection& operator*() const { return *connection_; }
  Connection* operator->() const { return connection_.operator->(); }

private:
  PooledConnection connection_;
};

// Up to `size` connections, opened when needed and checked when borrowed. Belongs to one
// single-threaded executor.
class Pool {
public:
  Pool(asio::any_io_executor executor, std::string conninfo, int size);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // Waits up to 10 seconds for a free connection. Throws Unavailable.
  asio::awaitable<PooledConnection> acquire();
  asio::awaitable<Transaction> begin();
  // Closes idle connections now and the others when they come back.
  void close();

private:
  std::shared_ptr<PoolState> state_;
};

}  // namespace infernode::db
