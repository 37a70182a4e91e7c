#include "testing/test_database.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <stdexcept>

#include "core/log.hpp"
#include "core/process.hpp"
#include "db/conninfo.hpp"
#include "db/embedded_server.hpp"
#include "db/migrations.hpp"
#include "testing/test_server.hpp"

namespace infernode::test {
namespace {

constexpr const char* kTemplate = "infernode_template";

// To the schema of today, with a clock that can be moved in the place of the real one.
void migrate(const std::string& conninfo) {
  boost::asio::io_context context;
  std::exception_ptr failure;
  const auto body = [&]() -> boost::asio::awaitable<void> {
    auto connection = co_await db::Connection::open(context.get_executor(), conninfo);
    co_await db::migrate_up(*connection, db::embedded_migrations("db/migrations"),
                            db::MigrationTable::schema_migrations, std::nullopt,
                            [](const db::Migration&) {});
  };
  boost::asio::co_spawn(context, body(), [&](const std::exception_ptr& error) { failure = error; });
  context.run();
  if (failure) {
    std::rethrow_exception(failure);
  }
  run_sql(conninfo, R"(CREATE TABLE test_clock (ahead INTERVAL NOT NULL);
                       INSERT INTO test_clock VALUES ('0');
                       CREATE OR REPLACE FUNCTION "clock"() RETURNS TIMESTAMPTZ LANGUAGE sql STABLE
                         AS 'SELECT now() + ahead FROM test_clock')");
}

// The cluster of this process, with the template in it.
class Cluster {
public:
  Cluster() : server_{folder_.path(), {}, kTemplate} {
    const std::string admin = conninfo(kTemplate);
    run_sql(admin, "ALTER SYSTEM SET fsync = off");
    run_sql(admin, "SELECT pg_reload_conf()");
    migrate(admin);
  }

  std::filesystem::path socket_dir() const { return server_.socket_dir(); }
  std::string conninfo(const std::string& database) const {
    return db::conninfo_of({server_.socket_dir().string(), 5432, "postgres", "", database});
  }

private:
  TemporaryFolder folder_;
  db::EmbeddedServer server_;
};

std::string new_name() {
  static std::atomic<int> number = 0;
  log::configure("off");
  return fmt::format("test_{}", ++number);
}

const Cluster& cluster() {
  static const Cluster the_one;
  return the_one;
}

}  // namespace

TestDatabase::TestDatabase(int connections) {
  name_ = new_name();
  run_sql(cluster().conninfo("postgres"),
          fmt::format("CREATE DATABASE {} TEMPLATE {}", name_, kTemplate));
  conninfo_ = cluster().conninfo(name_);
  pool_ = std::make_unique<db::Pool>(context_.get_executor(), conninfo_, connections);
}

TestDatabase::TestDatabase(const std::filesystem::path& dump, int connections) {
  name_ = new_name();
  run_sql(cluster().conninfo("postgres"), fmt::format("CREATE DATABASE {}", name_));
  const auto psql = db::find_postgres({}).value() / "psql";
  const auto loaded = run_process(
      {"sh", "-c",
       fmt::format("gunzip -c '{}' | '{}' -q -v ON_ERROR_STOP=1 -h '{}' -U postgres {}",
                   dump.string(), psql.string(), cluster().socket_dir().string(), name_)});
  if (loaded.status != 0) {
    throw std::runtime_error(loaded.output);
  }
  conninfo_ = cluster().conninfo(name_);
  migrate(conninfo_);
  pool_ = std::make_unique<db::Pool>(context_.get_executor(), conninfo_, connections);
}

TestDatabase::~TestDatabase() {
  pool_->close();
  // Coroutines that were left waiting hold connections; they go with the context, the database now.
  run_sql(cluster().conninfo("postgres"), fmt::format("DROP DATABASE {} WITH (FORCE)", name_));
}

void TestDatabase::run(std::function<boost::asio::awaitable<void>()> body) {
  std::exception_ptr failure;
  bool done = false;
  boost::asio::co_spawn(context_, body(), [&](const std::exception_ptr& error) {
    failure = error;
    done = true;
  });
  context_.restart();
  while (!done) {
    context_.run_one();
  }
  if (failure) {
    std::rethrow_exception(failure);
  }
}

std::vector<std::vector<std::string>> TestDatabase::sql(const std::string& query) const {
  return run_sql(conninfo_, query);
}

void TestDatabase::pass_time(std::chrono::seconds time) const {
  sql(fmt::format("UPDATE test_clock SET ahead = ahead + make_interval(secs => {})", time.count()));
}

std::int64_t count_round_trips(TestDatabase& database,
                               std::function<boost::asio::awaitable<void>()> body) {
  const std::int64_t before = database.pool().round_trips();
  database.run(std::move(body));
  return database.pool().round_trips() - before;
}

}  // namespace infernode::test
