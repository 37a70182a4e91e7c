#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "db/errors.hpp"
#include "db/executor.hpp"

struct pg_conn;

namespace infernode::db {

struct Notification {
  std::string channel;
  std::string payload;
};

// One connection, used by one coroutine at a time, never blocking the thread. Statements are
// prepared when first used, in the round trip that uses them.
class Connection : public Executor {
public:
  // The server ends a statement after 120 s (conninfo.cpp); one that has not answered by then is
  // not going to.
  static constexpr std::chrono::seconds kAnswerLimit{130};
  static constexpr std::chrono::seconds kConnectLimit{5};

  // `conninfo` as for psql. Names are resolved without blocking. Throws ConnectionLost.
  static asio::awaitable<std::unique_ptr<Connection>> open(asio::any_io_executor executor,
                                                           std::string conninfo);
  ~Connection() override;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  asio::awaitable<std::vector<Rows>> execute_all(std::vector<Command> commands) override;

  // Runs a script of any number of statements, without values. Results are dropped.
  asio::awaitable<void> run_script(std::string sql);

  // The next notification of a channel this connection LISTENs to.
  asio::awaitable<Notification> next_notification();

  // `heard` gets the texts of notices with this SQLSTATE, once the transaction that they are of has
  // ended, whichever way.
  void on_notices(const char* sqlstate, std::function<void(std::vector<std::string>)> heard);

  // How long a statement may go without an answer before the connection counts as lost.
  void set_answer_limit(std::chrono::steady_clock::duration limit) { answer_limit_ = limit; }
  // Ends what is under way with ConnectionLost; the connection is of no more use.
  void abandon();

  // False once the connection is lost or was abandoned in the middle of a statement, as far as that
  // was noticed.
  bool usable() const;
  // The same after a look at the socket, so that a server that went away is noticed without a round
  // trip.
  bool check();
  // True inside BEGIN ... COMMIT, also when the transaction has failed.
  bool in_transaction() const;
  // How often something was sent whose answer was waited for.
  std::int64_t round_trips() const { return round_trips_; }

private:
  Connection(const asio::any_io_executor& executor, pg_conn* connection);

  asio::awaitable<void> connect();
  // Waits for the socket; throws ConnectionLost when the limit has passed or it was abandoned.
  asio::awaitable<void> wait(asio::posix::descriptor_base::wait_type what, std::string_view doing);
  // Waits until it can be read from (true) or written to; throws as wait() does.
  asio::awaitable<bool> wait_for_either();
  asio::awaitable<void> flush();
  // nullptr where libpq gives none: between the results of two statements.
  asio::awaitable<std::shared_ptr<const pg_result>> next_result(const char* label);
  void send(const Command& command);
  static void take_notice(void* self, const pg_result* result);
  void tell_notices();
  // Between these two waiting is limited.
  void begin_limit(std::chrono::steady_clock::duration limit);
  void end_limit();
  [[noreturn]] void lose(std::string_view doing);
  // Throws what the result of a statement that failed stands for.
  [[noreturn]] void raise(const pg_result& result, const char* label, int statement);

  struct Finish {
    void operator()(pg_conn* connection) const;
  };
  std::unique_ptr<pg_conn, Finish> connection_;
  asio::posix::stream_descriptor socket_;
  asio::steady_timer limit_;
  std::chrono::steady_clock::duration answer_limit_ = kAnswerLimit;
  std::set<const char*> prepared_;
  std::int64_t round_trips_ = 0;
  std::string noticed_state_;  // SQLSTATE; empty: none are listened to
  std::function<void(std::vector<std::string>)> on_notices_;
  std::vector<std::string> notices_;
  bool busy_ = false;
  bool lost_ = false;
  // Whether the limit has passed; one for each limit, so that a late timer finds that it is stale.
  std::shared_ptr<bool> overdue_;
};

}  // namespace infernode::db
