#pragma once

#include <boost/asio/awaitable.hpp>
#include <vector>

#include "db/params.hpp"
#include "db/rows.hpp"
#include "db/statement.hpp"

namespace infernode::db {

namespace asio = boost::asio;

// A statement with its values, owned.
struct Command {
  const Statement* statement = nullptr;
  std::vector<Param> params;
};

// Values are copied here, so the command may outlive them. `statement` is a constant.
template <class... Args>
Command command(const Statement& statement, const Args&... args) {
  Command made{&statement, {}};
  made.params.reserve(sizeof...(args));
  (made.params.push_back(to_param(args)), ...);
  return made;
}

// What statements run on: a pool (each call by itself), a transaction, or one connection.
//
// Everything throws SqlError, ConnectionLost, or Unavailable when PostgreSQL ended the statement
// because of a deadlock or because a lock or the statement took too long.
class Executor {
public:
  virtual ~Executor() = default;

  // Runs one statement and waits for its result. Arguments are copied before the first suspension.
  template <class... Args>
  asio::awaitable<Rows> execute(const Statement& statement, const Args&... args) {
    return run_one(command(statement, args...));
  }

  // Sends all commands at once (libpq's pipeline mode) and waits for all results, in order: one
  // round trip. Outside a transaction they are one by themselves: after an error none of them has
  // happened.
  virtual asio::awaitable<std::vector<Rows>> execute_all(std::vector<Command> commands) = 0;

protected:
  Executor() = default;
  Executor(const Executor&) = default;
  Executor(Executor&&) = default;
  Executor& operator=(const Executor&) = default;
  Executor& operator=(Executor&&) = default;

private:
  asio::awaitable<Rows> run_one(Command command);
};

}  // namespace infernode::db
