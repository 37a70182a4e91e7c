#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>
#include <cstdio>
#include <optional>

#include "app/app.hpp"
#include "cli/commands.hpp"
#include "cli/database.hpp"
#include "core/log.hpp"
#include "core/memory.hpp"
#include "core/service_manager.hpp"
#include "db/migrations.hpp"
#include "http/handover.hpp"
#include "http/server.hpp"
#include "runner/box.hpp"

namespace infernode::cli {
namespace {

constexpr std::chrono::seconds kGrace{10};
// Somebody else serves then, and a long upload may take its time.
constexpr std::chrono::seconds kHandoverGrace{std::chrono::hours{24}};
constexpr int kSecondsBetweenWords = 30;

// Waits until somebody has migrated the database, which several programs may share: its operator
// decides when it changes. Throws db::MigrationError for a schema of a newer InferNode.
asio::awaitable<void> await_schema(db::Connection& connection,
                                   std::vector<db::Migration> migrations) {
  asio::steady_timer timer{co_await asio::this_coro::executor};
  for (int second = 0;; ++second) {
    const auto fit = co_await db::schema_fit(connection, migrations);
    if (!fit.missing || fit.foreign) {
      co_await db::require_current_schema(connection, migrations);
      co_return;
    }
    if (second % kSecondsBetweenWords == 0) {
      log::warn("waiting: the database lacks migration {}: run 'infernode db:migrate'",
                *fit.missing);
    }
    timer.expires_after(std::chrono::seconds{1});
    co_await timer.async_wait(asio::use_awaitable);
  }
}

// With the embedded database everything is made as needed.
void prepare(const Config& config, const Database& database,
             const std::vector<db::Migration>& migrations) {
  with_connection(database.conninfo(), [&](db::Connection& connection) -> asio::awaitable<void> {
    if (config.embedded_database()) {
      co_await db::migrate_up(
          connection, migrations, db::MigrationTable::schema_migrations, std::nullopt,
          [](const db::Migration& migration) { log::info("migrated: {}", migration.name); });
    } else {
      co_await await_schema(connection, migrations);
    }
  });
  if (config.embedded_database() && !has_keys(config.keys_dir)) {
    log::info("made a key: {}", generate_key(config.keys_dir).string());
  }
}

// What a server has besides: its socket, which another process may take over.
struct Edge {
  http::Server server;
  std::optional<http::Predecessor> predecessor{};
};

// Waits for a signal or, which is true, for another process that takes this one's place.
asio::awaitable<bool> until_stopped(app::App& app, Edge* edge) {
  using namespace asio::experimental::awaitable_operators;  // NOLINT(google-build-using-namespace)
  asio::signal_set signals{app.context, SIGINT, SIGTERM};
  auto signal = signals.async_wait(asio::use_awaitable);
  if (edge == nullptr || !edge->predecessor) {
    co_await std::move(signal);
    co_return false;
  }
  auto succession = edge->predecessor->handed_over();
  const auto first = co_await (std::move(signal) || std::move(succession));
  co_return first.index() == 1;
}

// Ends in order: no new requests, the segment under way given back, then the loop. A second signal
// ends at once; nothing is lost by that either, it only takes a lease's time to be picked up.
asio::awaitable<void> shut_down(app::App& app, Edge* edge) {
  const bool succeeded = co_await until_stopped(app, edge);
  if (succeeded) {
    log::info("stopping, since another process has taken this one's place");
  } else {
    notify_service_manager("STOPPING=1");
    log::info("stopping; press Ctrl-C again to stop at once");
  }
  std::signal(SIGINT, [](int) { _exit(130); });
  std::signal(SIGTERM, [](int) { _exit(143); });
  app.stop_workers();
  if (edge != nullptr) {
    edge->predecessor.reset();
    app.events.close();
    const auto grace = succeeded ? kHandoverGrace : kGrace;
    co_await edge->server.stop(grace, succeeded);
  }
  asio::steady_timer timer{app.context};
  for (int i = 0; i < kGrace / std::chrono::milliseconds{50} && app.running_workers > 0; ++i) {
    timer.expires_after(std::chrono::milliseconds{50});
    co_await timer.async_wait(asio::use_awaitable);
  }
  app.context.stop();
}

// Runs until a signal. Throws what a service that the program cannot go on without threw.
void run_until_stopped(app::App& app, Edge* edge) {
  app.supervisor.require("waiting for a signal", [&app, edge] { return shut_down(app, edge); });
  app::start_services(app);
  // Whoever read standard error may go away; that is no reason to end.
  std::signal(SIGPIPE, SIG_IGN);
  release_startup_memory();
  notify_service_manager("READY=1");
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

// From whoever serves there now, from systemd, or a new one.
http::ListeningSocket listening_socket(const Config& config,
                                       std::optional<http::Successor>& successor) {
  if (successor) {
    return successor->take_socket();
  }
  auto inherited = http::ListeningSocket::inherited();
  return inherited ? std::move(*inherited) : http::ListeningSocket::bind(config.host, config.port);
}

void serve(bool take_over) {
  const Config config = load_settings();
  check_box();
  raise_file_limit();
  const Database database{config};
  const auto migrations = known_migrations(config, kMigrations);
  prepare(config, database, migrations);
  app::App app{config, database.conninfo(), migrations};
  app::Api api{app, config.keys_dir};
  auto successor = take_over ? http::Successor::find(config.host, config.port) : std::nullopt;
  auto socket = listening_socket(config, successor);
  const auto host = socket.host();
  const auto port = socket.port();
  Edge edge{{app.context.get_executor(),
             api.router,
             socket.duplicate(),
             {static_cast<std::size_t>(config.max_connections),
              static_cast<std::size_t>(config.max_connections_of_address), config.trusted_proxies},
             [&app](const http::Request& request, int status, double seconds) {
               app.metrics.add_request(request, status, seconds);
             }}};
  app.metrics.connections = [&edge] { return edge.server.counts(); };
  app.add_workers(config.workers);
  app::start_server_services(app, api);
  app.supervisor.require("accepting connections", [&app, &edge]() -> asio::awaitable<void> {
    co_await app.reread_models();  // so that none is unknown to the first request
    co_await edge.server.run();
  });
  if (successor) {
    successor->begin();
  }
  try {
    edge.predecessor.emplace(app.context.get_executor(), std::move(socket));
  } catch (const std::runtime_error& error) {
    log::warn("{}", error.what());
  }
  std::printf("InferNode is listening on http://%s:%d\n",
              host.find(':') == std::string::npos ? host.c_str() : ("[" + host + "]").c_str(),
              port);
  std::fflush(stdout);
  run_until_stopped(app, &edge);
}

void work(int count) {
  const Config config = load_settings();
  check_box();
  const Database database{config};
  const auto migrations = known_migrations(config, kMigrations);
  with_connection(database.conninfo(),
                  [&](db::Connection& connection) { return await_schema(connection, migrations); });
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
      "migrates it and\nmakes missing keys; with DB_HOST it waits until the database is migrated. "
      "Ctrl-C stops it;\na job under way goes on at the next start. A socket that systemd passes "
      "on "
      "is used instead\nof INFERNODE_HOST and INFERNODE_PORT; see docs/operating.md.");
  auto take_over = std::make_shared<bool>(false);
  command->add_flag("--take-over", *take_over,
                    "Take the place of the server that serves at this address now, if there is "
                    "one: no connection is refused, and it stops after its last answer");
  command->callback([&status, take_over] {
    serve(*take_over);
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
