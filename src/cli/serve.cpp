#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>
#include <cstdio>

#include "app/app.hpp"
#include "cli/commands.hpp"
#include "cli/database.hpp"
#include "core/log.hpp"
#include "db/migrations.hpp"
#include "http/server.hpp"
#include "runner/box.hpp"

namespace infernode::cli {
namespace {

constexpr int kGraceSeconds = 10;

// With the embedded database everything is made as needed; another one is only looked at, since
// several servers may share it and its operator decides when it changes.
void prepare(const Config& config, const Database& database,
             const std::vector<db::Migration>& migrations) {
  with_connection(database.conninfo(), [&](db::Connection& connection) -> asio::awaitable<void> {
    if (config.embedded_database()) {
      co_await db::migrate_up(
          connection, migrations, db::MigrationTable::schema_migrations, std::nullopt,
          [](const db::Migration& migration) { log::info("migrated: {}", migration.name); });
    } else {
      co_await db::require_current_schema(connection, migrations);
    }
  });
  if (config.embedded_database() && !has_keys(config.keys_dir)) {
    log::info("made a key: {}", generate_key(config.keys_dir).string());
  }
}

// Ends in order: no new requests, the segment under way given back, then the loop. A second signal
// ends at once; nothing is lost by that either, it only takes a lease's time to be picked up.
asio::awaitable<void> shut_down(app::App& app, http::Server* server) {
  asio::signal_set signals{app.context, SIGINT, SIGTERM};
  co_await signals.async_wait(asio::use_awaitable);
  log::info("stopping; press Ctrl-C again to stop at once");
  std::signal(SIGINT, [](int) { _exit(130); });
  std::signal(SIGTERM, [](int) { _exit(143); });
  app.stop_workers();
  if (server != nullptr) {
    co_await server->stop(kGraceSeconds);
  }
  asio::steady_timer timer{app.context};
  for (int i = 0; i < kGraceSeconds * 20 && app.running_workers > 0; ++i) {
    timer.expires_after(std::chrono::milliseconds{50});
    co_await timer.async_wait(asio::use_awaitable);
  }
  app.context.stop();
}

// Runs until a signal. Throws what a service that the program cannot go on without threw.
void run_until_stopped(app::App& app, http::Server* server) {
  app.supervisor.require("waiting for a signal", [&app, server] { return shut_down(app, server); });
  app::start_services(app);
  app.context.run();
  if (app.supervisor.failure()) {
    std::rethrow_exception(app.supervisor.failure());
  }
}

// The usual soft limit of 1024 files would leave a server with many clients none for its runners.
void raise_file_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
}

// Untrusted bytes are opened in a box; what this machine cannot give it is said once.
void check_box() {
  for (const auto& missing : runner::missing_in_box(runner::box_support())) {
    log::warn("the box of runners is not complete: {} The rest holds; see docs/security.md",
              missing);
  }
}

void serve() {
  check_box();
  raise_file_limit();
  const Config config = load_settings();
  const Database database{config};
  const auto migrations = known_migrations(config, kMigrations);
  prepare(config, database, migrations);
  app::App app{config, database.conninfo(), migrations};
  app::Api api{app, config.keys_dir};
  http::Server server{
      app.context.get_executor(),
      api.router,
      config.host,
      config.port,
      {static_cast<std::size_t>(config.max_connections),
       static_cast<std::size_t>(config.max_connections_of_address), config.trusted_proxies}};
  app.add_workers(config.workers);
  app::start_key_reload(app, api);
  app.supervisor.require("accepting connections", [&server] { return server.run(); });
  std::printf("InferNode is listening on http://%s:%d\n", config.host.c_str(), server.port());
  std::fflush(stdout);
  run_until_stopped(app, &server);
}

void work(int count) {
  check_box();
  const Config config = load_settings();
  const Database database{config};
  const auto migrations = known_migrations(config, kMigrations);
  with_connection(database.conninfo(), [&](db::Connection& connection) {
    return db::require_current_schema(connection, migrations);
  });
  app::App app{config, database.conninfo(), migrations};
  if (app.models.empty()) {
    throw std::runtime_error("a worker needs a model; see 'infernode models:list'");
  }
  app.add_workers(count);
  std::printf("InferNode worker: %d at work\n", count);
  std::fflush(stdout);
  run_until_stopped(app, nullptr);
}

}  // namespace

void add_serve_command(CLI::App& app, int& status) {
  auto* command =
      add_command(app, "serve", "Serve the API, with the workers that INFERNODE_WORKERS says (1)");
  command->footer(
      "Without DB_HOST it starts a PostgreSQL of its own under INFERNODE_DATA_DIR, "
      "migrates it and\nmakes missing keys. Ctrl-C stops it; a job under way goes on at "
      "the next start.");
  command->callback([&status] {
    serve();
    status = 0;
  });
}

void add_worker_command(CLI::App& app, int& status) {
  auto* command = add_command(app, "worker",
                              "Work off queued jobs, on this machine or any other that reaches "
                              "the database");
  auto count = std::make_shared<int>(1);
  command->add_option("--count", *count, "Workers in this process")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  command->callback([&status, count] {
    work(*count);
    status = 0;
  });
}

}  // namespace infernode::cli
