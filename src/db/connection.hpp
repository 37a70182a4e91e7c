#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"
#include "db/params.hpp"
#include "db/rows.hpp"
#include "db/statement.hpp"

struct pg_conn;

namespace infernode::db {

namespace asio = boost::asio;

// The connection to PostgreSQL is gone or could not be made. What was under way has failed; nothing
// is known of a COMMIT that was under way.
class ConnectionLost : public Unavailable {
public:
  using Unavailable::Unavailable;
};

// PostgreSQL refused a statement.
class SqlError : public std::runtime_error {
public:
  SqlError(const std::string& message, std::string sqlstate, std::string constraint, int position,
           int statement)
      : std::runtime_error{message},
        sqlstate_{std::move(sqlstate)},
        constraint_{std::move(constraint)},
        position_{position},
        statement_{statement} {}

  const std::string& sqlstate() const { return sqlstate_; }
  // The violated constraint, or empty.
  const std::string& constraint() const { return constraint_; }
  // 1-based character position in the statement or script, or 0.
  int position() const { return position_; }
  // Which statement of a script it was, from 1 on.
  int statement() const { return statement_; }
  bool is_unique_violation() const { return sqlstate_ == "23505"; }

private:
  std::string sqlstate_;
  std::string constraint_;
  int position_;
  int statement_;
};

struct Notification {
  std::string channel;
  std::string payload;
};

// One connection, used by one coroutine at a time, never blocking the thread. Statements are
// prepared when first used.
class Connection {
public:
  // `conninfo` as for psql. Throws ConnectionLost.
  static asio::awaitable<std::unique_ptr<Connection>> open(asio::any_io_executor executor,
                                                           std::string conninfo);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Runs one statement. Throws SqlError, ConnectionLost, or Unavailable when PostgreSQL ended it
  // because of a deadlock or because a lock or the statement took too long. Arguments are copied
  // before the first suspension.
  template <class... Args>
  asio::awaitable<Rows> execute(const Statement& statement, const Args&... args) {
    std::vector<Param> params;
    params.reserve(sizeof...(args));
    (params.push_back(to_param(args)), ...);
    return run(&statement, std::move(params));
  }

  // Runs a script of any number of statements, without values. Results are dropped.
  asio::awaitable<void> run_script(std::string sql);

  // The next notification of a channel this connection LISTENs to.
  asio::awaitable<Notification> next_notification();

  // False once the connection is lost or was abandoned in the middle of a statement. Looks at the
  // socket, so that a server that went away is noticed without a round trip.
  bool usable();
  // True inside BEGIN ... COMMIT, also when the transaction has failed.
  bool in_transaction() const;

private:
  Connection(const asio::any_io_executor& executor, pg_conn* connection);

  asio::awaitable<void> connect();
  asio::awaitable<Rows> run(const Statement* statement, std::vector<Param> params);
  asio::awaitable<void> flush();
  asio::awaitable<Rows> collect(std::string label);
  [[noreturn]] void lose(std::string_view doing);

  struct Finish {
    void operator()(pg_conn* connection) const;
  };
  std::unique_ptr<pg_conn, Finish> connection_;
  asio::posix::stream_descriptor socket_;
  std::set<const char*> prepared_;
  bool busy_ = false;
  bool lost_ = false;
};

}  // namespace infernode::db
