#include <fmt/format.h>

#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fstream>

#include "cli/commands.hpp"
#include "cli/database.hpp"
#include "core/json.hpp"
#include "db/migrations.hpp"

namespace infernode::cli {
namespace {

namespace fs = std::filesystem;
using db::MigrationTable;

constexpr const char* kMigrations = "db/migrations";
constexpr const char* kSeeders = "db/seeders";

void print_migration(const char* what, const db::Migration& migration) {
  std::printf("%s %s\n", what, migration.name.c_str());
}

void up(const char* folder, MigrationTable table, const char* what) {
  const Config config = load_settings();
  if (table == MigrationTable::seeder_migrations && config.environment == "production") {
    throw std::runtime_error(
        "INFERNODE_ENV=production: the seeders add users whose password everybody knows; nothing "
        "was "
        "done");
  }
  const Database database{config};
  const auto migrations = db::embedded_migrations(folder);
  with_connection(database.conninfo(), [&](db::Connection& connection) -> asio::awaitable<void> {
    if (table == MigrationTable::seeder_migrations) {
      co_await db::require_current_schema(connection, db::embedded_migrations(kMigrations));
    }
    const int count = co_await db::migrate_up(
        connection, migrations, table,
        [&](const db::Migration& migration) { print_migration(what, migration); });
    if (count == 0) {
      std::printf("Nothing to do: all of %s was applied before.\n", folder);
    }
  });
}

void down(const char* folder, MigrationTable table, bool all) {
  const Config config = load_settings();
  const Database database{config};
  const auto migrations = db::embedded_migrations(folder);
  with_connection(database.conninfo(), [&](db::Connection& connection) -> asio::awaitable<void> {
    const int count = co_await db::migrate_down(
        connection, migrations, table, all,
        [](const db::Migration& migration) { print_migration("undone", migration); });
    if (count == 0) {
      std::printf("Nothing to undo.\n");
    }
  });
}

void print_status(bool as_json) {
  const Config config = load_settings();
  const Database database{config};
  with_connection(database.conninfo(), [&](db::Connection& connection) -> asio::awaitable<void> {
    const auto list = co_await db::migration_status(
        connection, db::embedded_migrations(kMigrations), MigrationTable::schema_migrations);
    boost::json::array items;
    for (const auto& entry : list) {
      items.push_back(boost::json::object{{"version", entry.migration.version},
                                          {"name", entry.migration.name},
                                          {"applied", entry.applied}});
      if (!as_json) {
        std::printf("[%c] %s\n", entry.applied ? 'X' : ' ', entry.migration.name.c_str());
      }
    }
    if (as_json) {
      std::printf("%s\n", json_text(items).c_str());
    }
  });
}

// Writes an empty file of the form that its neighbours have, into the source tree.
void generate(const std::string& folder, const std::string& name) {
  const bool sane =
      !name.empty() &&
      name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string::npos;
  if (!sane) {
    throw std::runtime_error("a name has small letters, digits and hyphens: add-new-field");
  }
  if (!fs::is_directory(folder)) {
    throw std::runtime_error(
        fmt::format("there is no folder {} here; run this in InferNode's source tree", folder));
  }
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char version[20];
  std::strftime(version, sizeof version, "%Y%m%d%H%M%S", &utc);
  const fs::path file = fs::path{folder} / fmt::format("{}-{}.sql", version, name);
  std::ofstream out{file};
  out << "-- migrate:up\n\n\n-- migrate:down\n\n";
  out.close();
  if (!out) {
    throw std::runtime_error(fmt::format("{} cannot be written", file.string()));
  }
  std::printf("%s\n", file.c_str());
}

void print_url() {
  const Config config = load_settings();
  const Database database{config};
  if (database.embedded() != nullptr) {
    database.embedded()->leave_running();
  }
  std::printf("%s\n", database.url().c_str());
}

template <class Function>
CLI::App* add(CLI::App& app, int& status, const char* name, const char* help, Function function) {
  auto* command = add_command(app, name, help);
  command->callback([&status, function] {
    function();
    status = 0;
  });
  return command;
}

}  // namespace

void add_db_commands(CLI::App& app, int& status) {
  add(app, status, "db:migrate", "Bring the schema up to date",
      [] { up(kMigrations, MigrationTable::schema_migrations, "migrated"); });
  auto all = std::make_shared<bool>(false);
  add(app, status, "db:migrate:undo", "Undo the last migration", [all] {
    down(kMigrations, MigrationTable::schema_migrations, *all);
  })->add_flag("--all", *all, "Undo all of them: every table is dropped");
  auto as_json = std::make_shared<bool>(false);
  add(app, status, "db:migrate:status", "Show which migrations are applied", [as_json] {
    print_status(*as_json);
  })->add_flag("--json", *as_json, "For programs");
  auto migration = std::make_shared<std::string>();
  add(app, status, "db:migration:generate", "Add an empty migration to the source tree",
      [migration] { generate(kMigrations, *migration); })
      ->add_option("NAME", *migration, "Such as add-new-field")
      ->required();
  add(app, status, "db:seed", "Add the documented test data (idempotent)",
      [] { up(kSeeders, MigrationTable::seeder_migrations, "seeded"); });
  add(app, status, "db:seed:undo", "Remove what the seeders added",
      [] { down(kSeeders, MigrationTable::seeder_migrations, true); });
  auto seeder = std::make_shared<std::string>();
  add(app, status, "db:seed:generate", "Add an empty seeder to the source tree",
      [seeder] { generate(kSeeders, *seeder); })
      ->add_option("NAME", *seeder, "Such as more-tags")
      ->required();
  add(app, status, "db:url", "Print a URL of the database that psql takes", print_url)
      ->footer(
          "Starts the embedded database if it is not running; the next infernode that ends "
          "stops it again.\n  psql \"$(infernode db:url)\"");
}

}  // namespace infernode::cli
