#include "db/connection.hpp"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <boost/asio/use_awaitable.hpp>

#include "core/log.hpp"

namespace infernode::db {
namespace {

using asio::posix::descriptor_base;

std::string trimmed(const char* message) {
  std::string text{message == nullptr ? "" : message};
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) {
    text.pop_back();
  }
  return text;
}

std::string field(const PGresult* result, int code) {
  const char* value = PQresultErrorField(result, code);
  return value == nullptr ? "" : value;
}

constexpr const char* kScript = "script";

void ignore_notice(void* /*context*/, const PGresult* /*result*/) {}

}  // namespace

void Connection::Finish::operator()(pg_conn* connection) const {
  PQfinish(connection);
}

Connection::Connection(const asio::any_io_executor& executor, pg_conn* connection)
    : connection_{connection}, socket_{executor} {}

Connection::~Connection() {
  if (socket_.is_open()) {
    socket_.release();  // libpq owns and closes the descriptor
  }
}

asio::awaitable<std::unique_ptr<Connection>> Connection::open(asio::any_io_executor executor,
                                                              std::string conninfo) {
  std::unique_ptr<Connection> connection{
      new Connection{executor, PQconnectStart(conninfo.c_str())}};
  co_await connection->connect();
  co_return connection;
}

asio::awaitable<void> Connection::connect() {
  if (connection_ == nullptr) {
    throw std::bad_alloc{};
  }
  PostgresPollingStatusType status = PGRES_POLLING_WRITING;
  while (status != PGRES_POLLING_OK) {
    if (status == PGRES_POLLING_FAILED || PQstatus(connection_.get()) == CONNECTION_BAD) {
      lose("connecting");
    }
    // libpq may replace the socket during the handshake, so it is looked up again for each wait.
    if (socket_.is_open()) {
      socket_.release();
    }
    socket_.assign(PQsocket(connection_.get()));
    co_await socket_.async_wait(
        status == PGRES_POLLING_READING ? descriptor_base::wait_read : descriptor_base::wait_write,
        asio::use_awaitable);
    status = PQconnectPoll(connection_.get());
  }
  if (socket_.is_open()) {
    socket_.release();
  }
  socket_.assign(PQsocket(connection_.get()));
  PQsetnonblocking(connection_.get(), 1);
  PQsetNoticeReceiver(connection_.get(), ignore_notice, nullptr);
}

void Connection::lose(std::string_view doing) {
  lost_ = true;
  const std::string reason = trimmed(PQerrorMessage(connection_.get()));
  throw ConnectionLost(fmt::format("the database connection failed while {}: {}", doing, reason));
}

bool Connection::usable() {
  if (busy_ || lost_) {
    return false;
  }
  lost_ = PQconsumeInput(connection_.get()) == 0 || PQstatus(connection_.get()) != CONNECTION_OK;
  return !lost_;
}

bool Connection::in_transaction() const {
  return PQtransactionStatus(connection_.get()) != PQTRANS_IDLE;
}

asio::awaitable<void> Connection::flush() {
  for (;;) {
    const int pending = PQflush(connection_.get());
    if (pending == 0) {
      co_return;
    }
    if (pending < 0) {
      lose("sending");
    }
    co_await socket_.async_wait(descriptor_base::wait_write, asio::use_awaitable);
  }
}

asio::awaitable<Rows> Connection::collect(std::string label) {
  co_await flush();
  std::shared_ptr<const PGresult> last;
  int statements = 0;  // of a script, with a result each up to the one that failed
  for (;;) {
    while (PQisBusy(connection_.get()) != 0) {
      co_await socket_.async_wait(descriptor_base::wait_read, asio::use_awaitable);
      if (PQconsumeInput(connection_.get()) == 0) {
        lose(label);
      }
    }
    PGresult* result = PQgetResult(connection_.get());
    if (result == nullptr) {
      break;
    }
    std::shared_ptr<const PGresult> owned{
        result, [](const PGresult* r) { PQclear(const_cast<PGresult*>(r)); }};
    ++statements;
    // Of several results (a script) the first error is the one that explains the others.
    if (!last || PQresultStatus(last.get()) != PGRES_FATAL_ERROR) {
      last = std::move(owned);
    }
  }
  busy_ = false;
  if (!last || PQstatus(connection_.get()) == CONNECTION_BAD) {
    lose(label);
  }
  const auto status = PQresultStatus(last.get());
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_EMPTY_QUERY) {
    const std::string position = field(last.get(), PG_DIAG_STATEMENT_POSITION);
    const std::string sqlstate = field(last.get(), PG_DIAG_SQLSTATE);
    const std::string text =
        fmt::format("{}: {}", label, field(last.get(), PG_DIAG_MESSAGE_PRIMARY));
    // 57P01..57P03: the server is shutting down or starting; 53300: it has no connection left.
    if (sqlstate.starts_with("57P") || sqlstate == "53300") {
      lost_ = true;
      throw ConnectionLost(text);
    }
    // A deadlock, a conflict of snapshots, a lock or a statement that took too long: PostgreSQL
    // ended this transaction, and a repetition may well succeed. A table or column that is not
    // there (of a statement of ours): somebody is migrating under a running server.
    const bool migrating = label != kScript && (sqlstate == "42P01" || sqlstate == "42703");
    if (migrating || sqlstate == "40P01" || sqlstate == "40001" || sqlstate == "55P03" ||
        sqlstate == "57014") {
      log::warn("{}", text);
      throw Unavailable(text);
    }
    throw SqlError(text, sqlstate, field(last.get(), PG_DIAG_CONSTRAINT_NAME),
                   position.empty() ? 0 : std::stoi(position), statements);
  }
  co_return Rows{std::move(last)};
}

asio::awaitable<Rows> Connection::run(const Statement* statement, std::vector<Param> params) {
  if (!usable()) {
    throw ConnectionLost("the database connection is gone");
  }
  busy_ = true;  // until the result is in; a coroutine destroyed before leaves it unusable
  if (!prepared_.contains(statement->name)) {
    if (PQsendPrepare(connection_.get(), statement->name, statement->sql, 0, nullptr) == 0) {
      lose(statement->name);
    }
    co_await collect(statement->name);
    prepared_.insert(statement->name);
    busy_ = true;
  }
  std::vector<const char*> values;
  std::vector<int> lengths;
  std::vector<int> formats;
  for (const auto& param : params) {
    values.push_back(param.value ? param.value->data() : nullptr);
    lengths.push_back(param.value ? static_cast<int>(param.value->size()) : 0);
    formats.push_back(param.binary ? 1 : 0);
  }
  if (PQsendQueryPrepared(connection_.get(), statement->name, static_cast<int>(params.size()),
                          values.data(), lengths.data(), formats.data(),
                          statement->binary_result ? 1 : 0) == 0) {
    lose(statement->name);
  }
  co_return co_await collect(statement->name);
}

asio::awaitable<void> Connection::run_script(std::string sql) {
  if (!usable()) {
    throw ConnectionLost("the database connection is gone");
  }
  busy_ = true;
  if (PQsendQuery(connection_.get(), sql.c_str()) == 0) {
    lose("running a script");
  }
  co_await collect(kScript);
}

asio::awaitable<Notification> Connection::next_notification() {
  for (;;) {
    if (PGnotify* raw = PQnotifies(connection_.get()); raw != nullptr) {
      const std::unique_ptr<PGnotify, decltype(&PQfreemem)> owned{raw, PQfreemem};
      co_return Notification{raw->relname, raw->extra};
    }
    co_await socket_.async_wait(descriptor_base::wait_read, asio::use_awaitable);
    if (PQconsumeInput(connection_.get()) == 0) {
      lose("waiting for a notification");
    }
  }
}

}  // namespace infernode::db
