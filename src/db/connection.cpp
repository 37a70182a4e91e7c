#include "db/connection.hpp"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <poll.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "core/log.hpp"
#include "db/conninfo.hpp"

namespace infernode::db {
namespace {

using asio::posix::descriptor_base;
using ResultPtr = std::shared_ptr<const PGresult>;

std::string trimmed(const char* message) {
  std::string text{message == nullptr ? "" : message};
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) {
    text.pop_back();
  }
  return text;
}

std::string field(const PGresult& result, int code) {
  const char* value = PQresultErrorField(&result, code);
  return value == nullptr ? "" : value;
}

constexpr const char* kScript = "script";
constexpr std::chrono::seconds kLookUpLimit{5};

ResultPtr owned(PGresult* result) {
  return {result, [](const PGresult* r) { PQclear(const_cast<PGresult*>(r)); }};
}

bool succeeded(const PGresult& result) {
  const auto status = PQresultStatus(&result);
  return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY;
}

// The names of servers in a conninfo, and their port; empty when there is nothing to resolve.
struct Host {
  std::string name;
  std::string port;
};

Host host_of(const std::string& conninfo) {
  char* error = nullptr;
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options{
      PQconninfoParse(conninfo.c_str(), &error), PQconninfoFree};
  PQfreemem(error);
  Host host;
  for (const auto* option = options.get(); option != nullptr && option->keyword != nullptr;
       ++option) {
    const std::string_view keyword{option->keyword};
    if (option->val == nullptr) {
      continue;
    }
    if (keyword == "hostaddr") {
      return {};
    }
    if (keyword == "host") {
      host.name = option->val;
    } else if (keyword == "port") {
      host.port = option->val;
    }
  }
  boost::system::error_code no_address;
  asio::ip::make_address(host.name, no_address);
  const bool resolvable = !host.name.empty() && !host.name.starts_with('/') &&
                          host.name.find(',') == std::string::npos && no_address;
  return resolvable ? host : Host{};
}

// A look-up that is under way cannot be cancelled: one that takes too long is left to itself.
struct LookUp {
  explicit LookUp(const asio::any_io_executor& executor) : resolver{executor}, done{executor} {}
  asio::ip::tcp::resolver resolver;
  asio::steady_timer done;
  boost::system::error_code error = asio::error::timed_out;
  std::vector<std::string> addresses;
};

// libpq would look names up itself, and block the thread meanwhile.
asio::awaitable<std::string> with_addresses(asio::any_io_executor executor, std::string conninfo) {
  const Host host = host_of(conninfo);
  if (host.name.empty()) {
    co_return conninfo;
  }
  const auto look_up = std::make_shared<LookUp>(executor);
  look_up->done.expires_after(kLookUpLimit);
  look_up->resolver.async_resolve(
      host.name, host.port.empty() ? "5432" : host.port,
      [look_up](boost::system::error_code error, const auto& found) {
        look_up->error = error;
        for (const auto& entry : found) {
          look_up->addresses.push_back(entry.endpoint().address().to_string());
        }
        look_up->done.cancel();
      });
  boost::system::error_code ignored;
  co_await look_up->done.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  if (look_up->error || look_up->addresses.empty()) {
    throw ConnectionLost(fmt::format("the database's host {} is not known: {}", host.name,
                                     look_up->error.message()));
  }
  co_return with_hosts(conninfo, host.name, look_up->addresses);
}

}  // namespace

void Connection::Finish::operator()(pg_conn* connection) const {
  PQfinish(connection);
}

Connection::Connection(const asio::any_io_executor& executor, pg_conn* connection)
    : connection_{connection}, socket_{executor}, limit_{executor} {}

Connection::~Connection() {
  if (socket_.is_open()) {
    socket_.release();  // libpq owns and closes the descriptor
  }
}

asio::awaitable<std::unique_ptr<Connection>> Connection::open(asio::any_io_executor executor,
                                                              std::string conninfo) {
  const std::string resolved = co_await with_addresses(executor, std::move(conninfo));
  std::unique_ptr<Connection> connection{
      new Connection{executor, PQconnectStart(resolved.c_str())}};
  co_await connection->connect();
  co_return connection;
}

asio::awaitable<void> Connection::connect() {
  if (connection_ == nullptr) {
    throw std::bad_alloc{};
  }
  begin_limit(kConnectLimit);
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
    const auto what =
        status == PGRES_POLLING_READING ? descriptor_base::wait_read : descriptor_base::wait_write;
    co_await wait(what, "connecting");
    status = PQconnectPoll(connection_.get());
  }
  end_limit();
  if (socket_.is_open()) {
    socket_.release();
  }
  socket_.assign(PQsocket(connection_.get()));
  PQsetnonblocking(connection_.get(), 1);
  PQsetNoticeReceiver(connection_.get(), take_notice, this);
}

void Connection::take_notice(void* self, const PGresult* result) {
  auto& connection = *static_cast<Connection*>(self);
  if (connection.on_notices_ && field(*result, PG_DIAG_SQLSTATE) == connection.noticed_state_) {
    connection.notices_.push_back(field(*result, PG_DIAG_MESSAGE_PRIMARY));
  }
}

void Connection::on_notices(const char* sqlstate,
                            std::function<void(std::vector<std::string>)> heard) {
  noticed_state_ = sqlstate;
  on_notices_ = std::move(heard);
}

void Connection::tell_notices() {
  if (!notices_.empty() && !in_transaction()) {
    on_notices_(std::exchange(notices_, {}));
  }
}

void Connection::begin_limit(std::chrono::steady_clock::duration limit) {
  overdue_ = std::make_shared<bool>(false);
  limit_.expires_after(limit);
  limit_.async_wait(
      [this, overdue = std::weak_ptr<bool>{overdue_}](boost::system::error_code error) {
        if (const auto flag = overdue.lock(); flag && !error) {
          *flag = true;
          socket_.cancel();
        }
      });
}

void Connection::end_limit() {
  overdue_.reset();
  limit_.cancel();
}

asio::awaitable<void> Connection::wait(descriptor_base::wait_type what, std::string_view doing) {
  if (overdue_ && *overdue_) {
    // The limit passed while this thread was busy elsewhere: the answer may have come meanwhile.
    begin_limit(std::chrono::seconds{1});
  }
  boost::system::error_code error;
  co_await socket_.async_wait(what, asio::redirect_error(asio::use_awaitable, error));
  if (!error && !lost_) {
    co_return;
  }
  if (overdue_ && *overdue_) {
    lost_ = true;
    throw ConnectionLost(fmt::format("the database gave no answer in time while {}", doing));
  }
  lose(doing);
}

asio::awaitable<bool> Connection::wait_for_either() {
  using namespace asio::experimental::awaitable_operators;  // NOLINT(google-build-using-namespace)
  boost::system::error_code read_error;
  boost::system::error_code write_error;
  auto reading = socket_.async_wait(descriptor_base::wait_read,
                                    asio::redirect_error(asio::use_awaitable, read_error));
  auto writing = socket_.async_wait(descriptor_base::wait_write,
                                    asio::redirect_error(asio::use_awaitable, write_error));
  const auto first = co_await (std::move(reading) || std::move(writing));
  const bool readable = first.index() == 0;
  if (lost_ || (overdue_ && *overdue_) || (readable ? read_error : write_error)) {
    lost_ = true;
    throw ConnectionLost("the database gave no answer in time while sending");
  }
  co_return readable;
}

void Connection::abandon() {
  lost_ = true;
  if (socket_.is_open()) {
    boost::system::error_code ignored;
    socket_.cancel(ignored);
  }
}

void Connection::lose(std::string_view doing) {
  lost_ = true;
  std::string reason = trimmed(PQerrorMessage(connection_.get()));
  if (reason.find("unsupported startup parameter") != std::string::npos) {
    reason +=
        "; this looks like PgBouncer, which InferNode cannot use: it needs sessions of its own "
        "(prepared statements, LISTEN), so point DB_HOST at PostgreSQL itself";
  }
  throw ConnectionLost(fmt::format("the database connection failed while {}: {}", doing, reason));
}

bool Connection::usable() const {
  return !busy_ && !lost_;
}

bool Connection::check() {
  if (!usable()) {
    return false;
  }
  // A server that goes away says so and closes; what it said may be read before the end is.
  pollfd socket{PQsocket(connection_.get()), POLLIN | POLLRDHUP, 0};
  if (poll(&socket, 1, 0) == 0) {
    return true;
  }
  const bool closed = (socket.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) != 0;
  lost_ = closed || PQconsumeInput(connection_.get()) == 0 ||
          PQstatus(connection_.get()) != CONNECTION_OK;
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
    // The server may stop reading until it has got rid of results, so those are taken in meanwhile.
    const bool readable = co_await wait_for_either();
    if (readable && PQconsumeInput(connection_.get()) == 0) {
      lose("sending");
    }
  }
}

asio::awaitable<ResultPtr> Connection::next_result(const char* label) {
  while (PQisBusy(connection_.get()) != 0) {
    co_await wait(descriptor_base::wait_read, label);
    if (PQconsumeInput(connection_.get()) == 0) {
      lose(label);
    }
  }
  PGresult* result = PQgetResult(connection_.get());
  co_return result == nullptr ? ResultPtr{} : owned(result);
}

void Connection::raise(const PGresult& result, const char* label, int statement) {
  const std::string position = field(result, PG_DIAG_STATEMENT_POSITION);
  const std::string sqlstate = field(result, PG_DIAG_SQLSTATE);
  const std::string text = fmt::format("{}: {}", label, field(result, PG_DIAG_MESSAGE_PRIMARY));
  // 57P01..57P03: the server is shutting down or starting; 53300: it has no connection left.
  if (sqlstate.starts_with("57P") || sqlstate == "53300") {
    lost_ = true;
    throw ConnectionLost(text);
  }
  // 25006: a server that became a standby. 0A000: somebody migrated, and what is prepared on this
  // connection no longer fits.
  if (sqlstate == "25006" ||
      (sqlstate == "0A000" && text.find("cached plan") != std::string::npos)) {
    lost_ = true;
    throw ConnectionLost(text);
  }
  // disk_full, and the same in other words: io_error (58030) names the system's reason.
  if (sqlstate == "53100" || text.find("No space left on device") != std::string::npos) {
    log::error("{}", text);
    throw DiskFull(text);
  }
  // A deadlock, a conflict of snapshots, a lock or a statement that took too long, too little
  // memory (53), a fault of the system (58): PostgreSQL ended this transaction, and a repetition
  // may well succeed. A table or column that is not there (of a statement of ours): somebody is
  // migrating under a running server.
  const bool migrating = label != kScript && (sqlstate == "42P01" || sqlstate == "42703");
  if (migrating || sqlstate == "40P01" || sqlstate == "40001" || sqlstate == "55P03" ||
      sqlstate == "57014" || sqlstate.starts_with("53") || sqlstate.starts_with("58")) {
    log::warn("{}", text);
    throw Unavailable(text);
  }
  throw SqlError(text, sqlstate, field(result, PG_DIAG_CONSTRAINT_NAME),
                 position.empty() ? 0 : std::stoi(position), statement);
}

void Connection::send(const Command& command) {
  std::vector<const char*> values;
  std::vector<int> lengths;
  std::vector<int> formats;
  for (const auto& param : command.params) {
    values.push_back(param.value ? param.value->data() : nullptr);
    lengths.push_back(param.value ? static_cast<int>(param.value->size()) : 0);
    formats.push_back(param.binary ? 1 : 0);
  }
  if (PQsendQueryPrepared(connection_.get(), command.statement->name,
                          static_cast<int>(command.params.size()), values.data(), lengths.data(),
                          formats.data(), command.statement->binary_result ? 1 : 0) == 0) {
    lose(command.statement->name);
  }
}

asio::awaitable<std::vector<Rows>> Connection::execute_all(std::vector<Command> commands) {
  if (!usable()) {
    throw ConnectionLost("the database connection is gone");
  }
  busy_ = true;  // until the results are in; a coroutine destroyed before leaves it unusable
  ++round_trips_;
  begin_limit(answer_limit_);
  if (PQpipelineStatus(connection_.get()) == PQ_PIPELINE_OFF &&
      PQenterPipelineMode(connection_.get()) == 0) {
    lose("entering pipeline mode");
  }
  // What comes back, in order: for each statement its preparation, the first time, and its result.
  struct Expected {
    const Statement* statement;
    bool preparation;
  };
  std::vector<Expected> expected;
  std::set<const char*> preparing;
  for (const auto& command : commands) {
    const auto& statement = *command.statement;
    if (!prepared_.contains(statement.name) && preparing.insert(statement.name).second) {
      if (PQsendPrepare(connection_.get(), statement.name, statement.sql, 0, nullptr) == 0) {
        lose(statement.name);
      }
      expected.push_back({&statement, true});
    }
    send(command);
    expected.push_back({&statement, false});
  }
  if (PQpipelineSync(connection_.get()) == 0) {
    lose("sending");
  }
  co_await flush();

  std::vector<Rows> results;
  results.reserve(commands.size());
  // The first error is the one that explains the others.
  ResultPtr failure;
  const char* failed = nullptr;
  for (const auto& [statement, preparation] : expected) {
    const ResultPtr result = co_await next_result(statement->name);
    if (!result) {
      lose(statement->name);
    }
    if (succeeded(*result)) {
      if (preparation) {
        prepared_.insert(statement->name);
      } else {
        results.emplace_back(result);
      }
    } else if (!failure) {
      failure = result;
      failed = statement->name;
    }
    // The end of this statement's results. After a fatal error (the server is going down) nothing
    // more comes.
    if (PQstatus(connection_.get()) == CONNECTION_BAD) {
      break;
    }
    co_await next_result(statement->name);
  }
  // Commands outside a transaction are committed by the sync: what is deferred to then fails here,
  // in the place of its result.
  for (bool ended = false; PQstatus(connection_.get()) != CONNECTION_BAD;) {
    const ResultPtr result = co_await next_result("sync");
    if (result && PQresultStatus(result.get()) == PGRES_PIPELINE_SYNC) {
      break;
    }
    if (result && !failure) {
      failure = result;
      failed = commands.back().statement->name;
    }
    if (!result && std::exchange(ended, true)) {
      lose("sync");
    }
  }
  end_limit();
  busy_ = false;
  tell_notices();
  if (failure) {
    raise(*failure, failed, 1);
  }
  if (PQstatus(connection_.get()) == CONNECTION_BAD) {
    lose(commands.back().statement->name);
  }
  co_return results;
}

asio::awaitable<void> Connection::run_script(std::string sql) {
  if (!usable()) {
    throw ConnectionLost("the database connection is gone");
  }
  if (PQpipelineStatus(connection_.get()) != PQ_PIPELINE_OFF &&
      PQexitPipelineMode(connection_.get()) == 0) {
    lose("leaving pipeline mode");
  }
  busy_ = true;
  ++round_trips_;
  begin_limit(std::chrono::hours{24});  // a migration takes the time that it takes
  if (PQsendQuery(connection_.get(), sql.c_str()) == 0) {
    lose("running a script");
  }
  co_await flush();
  ResultPtr last;
  int statements = 0;  // with a result each, up to the one that failed
  for (;;) {
    auto result = co_await next_result(kScript);
    if (!result) {
      break;
    }
    ++statements;
    if (!last || PQresultStatus(last.get()) != PGRES_FATAL_ERROR) {
      last = std::move(result);
    }
  }
  end_limit();
  busy_ = false;
  if (!last || PQstatus(connection_.get()) == CONNECTION_BAD) {
    lose(kScript);
  }
  if (!succeeded(*last)) {
    raise(*last, kScript, statements);
  }
}

asio::awaitable<Notification> Connection::next_notification() {
  for (;;) {
    if (PGnotify* raw = PQnotifies(connection_.get()); raw != nullptr) {
      const std::unique_ptr<PGnotify, decltype(&PQfreemem)> owner{raw, PQfreemem};
      co_return Notification{raw->relname, raw->extra};
    }
    co_await wait(descriptor_base::wait_read, "waiting for a notification");
    if (PQconsumeInput(connection_.get()) == 0) {
      lose("waiting for a notification");
    }
  }
}

}  // namespace infernode::db
