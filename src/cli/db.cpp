#include <fmt/format.h>

#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fstream>

#include "cli/commands.hpp"
#include "cli/database.hpp"
#include "core/json.hpp"
#include "db/diagram.hpp"
#include "db/migrations.hpp"

namespace infernode::cli {
namespace {

namespace fs = std::filesystem;
using db::MigrationTable;

void print_migration(const char* what, const db::Migration& migration) {
  std::printf("%s %s\n", what, migration.name.c_str());
}

void migrate(const std::optional<std::string>& last) {
  const Config config = load_settings();
  const Database database{config};
  const auto migrations = known_migrations(config, kMigrations);
  with_connection(database.conninfo(), [&](db::Connection& connection) -> asio::awaitable<void> {
    const int count = co_await db::migrate_up(
        connection, migrations, MigrationTable::schema_migrations, last,
        [](const db::Migration& migration) { print_migration("migrated", migration); });
    if (count == 0) {
      std::printf("Nothing to do: the schema is up to date.\n");
    }
  });
}

// Prints what migrate() would run.
void print_pending(const std::optional<std::string>& last) {
  const Config config = load_settings();
  const Database database{config};
  auto migrations = known_migrations(config, kMigrations);
  with_connection(database.conninfo(), [&](db::Connection& connection) -> asio::awaitable<void> {
    const auto list = co_await db::migration_status(connection, std::move(migrations),
                                                    MigrationTable::schema_migrations);
    bool nothing = true;
    for (const auto& [migration, applied] : list) {
      if (!applied && (!last || migration.version <= *last)) {
        nothing = false;
        const auto begin = migration.up.find_first_not_of('\n');
        std::printf("-- %s\nBEGIN;\n%s\nCOMMIT;\n\n", migration.name.c_str(),
                    migration.up.substr(std::min(begin, migration.up.size())).c_str());
      }
    }
    if (nothing) {
      std::printf("-- Nothing to do: the schema is up to date.\n");
    }
  });
}

void seed(bool force) {
  const Config config = load_settings();
  if (config.environment == "production" && !force) {
    throw std::runtime_error(
        "INFERNODE_ENV=production: the seeders add users whose password everybody knows; nothing "
        "was done. --force adds them all the same");
  }
  const Database database{config};
  const auto seeders = known_migrations(config, kSeeders);
  const auto migrations = known_migrations(config, kMigrations);
  with_connection(database.conninfo(), [&](db::Connection& connection) -> asio::awaitable<void> {
    co_await db::require_current_schema(connection, migrations);
    const int count = co_await db::migrate_up(
        connection, seeders, MigrationTable::seeder_migrations, std::nullopt,
        [](const db::Migration& seeder) { print_migration("seeded", seeder); });
    if (count == 0) {
      std::printf("Nothing to do: every seeder was run before.\n");
    }
  });
}

void down(const char* folder, MigrationTable table, bool all) {
  const Config config = load_settings();
  const Database database{config};
  const auto migrations = known_migrations(config, folder);
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
  const auto migrations = known_migrations(config, kMigrations);
  with_connection(database.conninfo(), [&](db::Connection& connection) -> asio::awaitable<void> {
    const auto list =
        co_await db::migration_status(connection, migrations, MigrationTable::schema_migrations);
    boost::json::array items;
    for (const auto& [migration, applied] : list) {
      const bool known = !migration.up.empty();
      items.push_back(boost::json::object{{"version", migration.version},
                                          {"name", migration.name},
                                          {"applied", applied},
                                          {"known", known}});
      if (!as_json) {
        std::printf("[%c] %s%s\n", applied ? 'X' : ' ', migration.name.c_str(),
                    known ? "" : " (unknown to this InferNode: a newer one applied it)");
      }
    }
    if (as_json) {
      std::printf("%s\n", json_text(items).c_str());
    }
  });
}

// Writes an empty file of the form that its neighbours have, into the source tree.
void generate(const char* kind, const std::string& name) {
  const auto checkout = development_checkout(load_settings());
  const fs::path folder = checkout ? *checkout / kind : fs::path{kind};
  const bool sane =
      !name.empty() &&
      name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string::npos;
  if (!sane) {
    throw std::runtime_error("a name has small letters, digits and hyphens: add-new-field");
  }
  if (!fs::is_directory(folder)) {
    throw std::runtime_error(fmt::format(
        "there is no folder {} here; run this in InferNode's source tree", folder.string()));
  }
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char version[20];
  std::strftime(version, sizeof version, "%Y%m%d%H%M%S", &utc);
  const fs::path file = folder / fmt::format("{}-{}.sql", version, name);
  std::ofstream out{file};
  out << "-- migrate:up\n\n\n-- migrate:down\n\n";
  out.close();
  if (!out) {
    throw std::runtime_error(fmt::format("{} cannot be written", file.string()));
  }
  std::printf("%s\n", file.c_str());
}

// Between these lines a document holds the diagram.
constexpr std::string_view kDiagramBegin = "<!-- diagram: written by 'infernode db:diagram' -->\n";
constexpr std::string_view kDiagramEnd = "<!-- end of diagram -->\n";

void update_document(const fs::path& file, const std::string& diagram) {
  std::ifstream in{file};
  if (!in) {
    throw std::runtime_error(fmt::format("{} cannot be read", file.string()));
  }
  std::string text{std::istreambuf_iterator<char>{in}, {}};
  const auto begin = text.find(kDiagramBegin);
  const auto end = text.find(kDiagramEnd);
  if (begin == std::string::npos || end == std::string::npos || end < begin) {
    throw std::runtime_error(fmt::format("{} has no lines\n{}{}with the diagram between them",
                                         file.string(), kDiagramBegin, kDiagramEnd));
  }
  const auto from = begin + kDiagramBegin.size();
  text.replace(from, end - from, fmt::format("```mermaid\n{}```\n", diagram));
  std::ofstream out{file};
  out << text;
  out.close();
  if (!out) {
    throw std::runtime_error(fmt::format("{} cannot be written", file.string()));
  }
}

void diagram(const std::string& file) {
  const Config config = load_settings();
  const Database database{config};
  with_connection(database.conninfo(), [&](db::Connection& connection) -> asio::awaitable<void> {
    const std::string text = co_await db::schema_diagram(connection);
    if (file.empty()) {
      std::printf("%s", text.c_str());
    } else {
      update_document(file, text);
    }
  });
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
  auto dry_run = std::make_shared<bool>(false);
  auto last = std::make_shared<std::string>();
  auto* migrate_command =
      add(app, status, "db:migrate", "Bring the schema up to date", [dry_run, last] {
        const auto version = last->empty() ? std::nullopt : std::optional{*last};
        *dry_run ? print_pending(version) : migrate(version);
      });
  migrate_command->add_flag("--dry-run", *dry_run, "Print the SQL, run nothing");
  migrate_command->add_option("--to", *last, "Up to this version: 20250709144418")
      ->check([](const std::string& text) {
        return text.find_first_not_of("0123456789") == std::string::npos
                   ? std::string{}
                   : "a version is the digits that a migration's name begins with";
      });
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
  auto force = std::make_shared<bool>(false);
  add(app, status, "db:seed", "Add the documented test data (idempotent)", [force] {
    seed(*force);
  })->add_flag("--force", *force, "Also when INFERNODE_ENV is production");
  add(app, status, "db:seed:undo", "Remove what the seeders added",
      [] { down(kSeeders, MigrationTable::seeder_migrations, true); });
  auto seeder = std::make_shared<std::string>();
  add(app, status, "db:seed:generate", "Add an empty seeder to the source tree",
      [seeder] { generate(kSeeders, *seeder); })
      ->add_option("NAME", *seeder, "Such as more-tags")
      ->required();
  auto document = std::make_shared<std::string>();
  add(app, status, "db:diagram", "Print the schema as an entity-relationship diagram (Mermaid)",
      [document] { diagram(*document); })
      ->add_option("--update", *document, "Write it into this document instead: docs/database.md");
  add(app, status, "db:url", "Print a URL of the database that psql takes", print_url)
      ->footer(
          "Starts the embedded database if it is not running; the next infernode that ends "
          "stops it again.\n  psql \"$(infernode db:url)\"");
}

}  // namespace infernode::cli
