#include "db/migrations.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <map>

#include "core/embedded.hpp"
#include "db/script.hpp"

namespace infernode::db {
namespace {

constexpr std::string_view kCompatibleMarker = "-- compatible-since: ";
constexpr std::string_view kUpMarker = "-- migrate:up";
constexpr std::string_view kDownMarker = "-- migrate:down";

// Any number does, as long as no other program takes the same: "INFR" in ASCII.
constexpr Statement kLock{"migrations.lock", "SELECT pg_advisory_lock(1229866578)"};
constexpr Statement kUnlock{"migrations.unlock", "SELECT pg_advisory_unlock(1229866578)"};

struct TableStatements {
  const char* create;
  Statement exists;
  Statement list;
  Statement add;
  Statement remove;
};

const TableStatements& statements(MigrationTable table) {
  static const TableStatements schema{
      "CREATE TABLE IF NOT EXISTS schema_migrations (version VARCHAR(128) PRIMARY KEY); "
      "ALTER TABLE schema_migrations ADD COLUMN IF NOT EXISTS compatible_since VARCHAR(128)",
      {"migrations.exists", "SELECT to_regclass('schema_migrations') IS NOT NULL AS present"},
      // Older InferNodes and dbmate make the table without the second column.
      {"migrations.list",
       "SELECT version, to_jsonb(applied) ->> 'compatible_since' AS compatible_since "
       "FROM schema_migrations AS applied ORDER BY version"},
      {"migrations.add",
       "INSERT INTO schema_migrations (version, compatible_since) VALUES ($1, nullif($2, ''))"},
      {"migrations.remove", "DELETE FROM schema_migrations WHERE version = $1"}};
  static const TableStatements seeders{
      "CREATE TABLE IF NOT EXISTS seeder_migrations (version VARCHAR(128) PRIMARY KEY)",
      {"seeders.exists", "SELECT to_regclass('seeder_migrations') IS NOT NULL AS present"},
      {"seeders.list",
       "SELECT version, NULL AS compatible_since FROM seeder_migrations ORDER BY version"},
      {"seeders.add", "INSERT INTO seeder_migrations (version) SELECT $1 WHERE $2 = ''"},
      {"seeders.remove", "DELETE FROM seeder_migrations WHERE version = $1"}};
  return table == MigrationTable::schema_migrations ? schema : seeders;
}

// The versions, each with the one since which binaries work with it; empty: none does.
using Applied = std::map<std::string, std::string>;

asio::awaitable<Applied> applied_versions(Connection& connection, MigrationTable table) {
  Applied versions;
  const auto present = co_await connection.execute(statements(table).exists);
  if (present.one().get<bool>("present")) {
    const Rows rows = co_await connection.execute(statements(table).list);
    for (int i = 0; i < rows.size(); ++i) {
      versions.emplace(
          rows[i].get<std::string>("version"),
          rows[i].get<std::optional<std::string>>("compatible_since").value_or(std::string{}));
    }
  }
  co_return versions;
}

// Where in a section an error is. Sections keep the blank lines above them, so a line of a section
// is a line of the file.
std::string place_of(const SqlError& error, const std::string& sql) {
  const auto lines = statement_lines(sql);
  const auto index = static_cast<std::size_t>(error.statement());
  auto line =
      index >= 1 && index <= lines.size() ? static_cast<std::ptrdiff_t>(lines[index - 1]) : 1;
  if (error.position() > 0) {
    const auto position = static_cast<std::ptrdiff_t>(
        std::min(sql.size(), static_cast<std::size_t>(error.position() - 1)));
    line = std::count(sql.begin(), sql.begin() + position, '\n') + 1;
  }
  return fmt::format("statement {}, line {}", error.statement(), line);
}

// Runs one direction of one migration.
asio::awaitable<void> apply(Connection& connection, Migration migration, bool up,
                            MigrationTable table) {
  const std::string& sql = up ? migration.up : migration.down;
  co_await connection.execute(kBegin);
  std::string failure;
  try {
    co_await connection.run_script(sql);
  } catch (const SqlError& error) {
    failure = fmt::format("{}, {}: {}; nothing of it was kept", migration.name,
                          place_of(error, sql), error.what());
  }
  try {
    if (failure.empty()) {
      const auto& change = up ? statements(table).add : statements(table).remove;
      if (up) {
        co_await connection.execute(change, migration.version, migration.compatible_since);
      } else {
        co_await connection.execute(change, migration.version);
      }
      co_await connection.execute(kCommit);
    }
  } catch (const SqlError& error) {
    failure = fmt::format("{}: {}; nothing of it was kept", migration.name, error.what());
  }
  if (!failure.empty()) {
    co_await connection.execute(kRollback);
    throw MigrationError(failure);
  }
}

void sort_by_version(std::vector<Migration>& migrations) {
  std::sort(migrations.begin(), migrations.end(),
            [](const Migration& a, const Migration& b) { return a.version < b.version; });
}

SchemaFit fit_of(const Applied& applied, const std::vector<Migration>& migrations) {
  SchemaFit fit;
  fit.version = applied.empty() ? "" : applied.rbegin()->first;
  fit.needed = migrations.empty() ? "" : migrations.back().version;
  auto unknown = applied;
  for (const auto& migration : migrations) {
    if (unknown.erase(migration.version) == 0 && !fit.missing) {
      fit.missing = migration.name;
    }
  }
  for (const auto& [version, since] : unknown) {
    if (since.empty() || since > fit.needed) {
      fit.foreign = version;
    }
  }
  return fit;
}

std::string newer_database(const std::string& version) {
  return fmt::format(
      "the database was migrated by a newer InferNode (version {} is not for this one): use that "
      "version",
      version);
}

// Collects what `step` does under the lock; the lock is given up also when it throws.
asio::awaitable<int> locked(Connection& connection,
                            std::function<asio::awaitable<int>(Connection&)> step) {
  // Another process's migrations, or one over a large table, may take longer than any statement
  // should.
  co_await connection.run_script("SET lock_timeout = 0; SET statement_timeout = 0");
  co_await connection.execute(kLock);
  std::exception_ptr failure;
  int count = 0;
  try {
    count = co_await step(connection);
  } catch (const MigrationError&) {
    failure = std::current_exception();
  }
  co_await connection.execute(kUnlock);
  if (failure) {
    std::rethrow_exception(failure);
  }
  co_return count;
}

}  // namespace

Migration parse_migration(std::string file_name, std::string_view content) {
  Migration migration;
  migration.name = file_name.substr(0, file_name.rfind(".sql"));
  migration.version =
      file_name.substr(0, std::min(file_name.find_first_not_of("0123456789"), file_name.size()));
  const auto up = content.find(kUpMarker);
  const auto down = content.find(kDownMarker);
  if (migration.version.empty() || up == std::string_view::npos || down == std::string_view::npos ||
      down < up) {
    throw MigrationError(fmt::format(
        "{}: a migration's name begins with digits, and it has the lines '{}' and then '{}'",
        file_name, kUpMarker, kDownMarker));
  }
  // Everything above a section is replaced by blank lines, so that line numbers stay those of the
  // file.
  const auto section = [&](std::size_t begin, std::size_t end) {
    const auto above =
        std::count(content.begin(), content.begin() + static_cast<std::ptrdiff_t>(begin), '\n');
    return std::string(static_cast<std::size_t>(above), '\n') +
           std::string{content.substr(begin, end - begin)};
  };
  if (const auto mark = content.find(kCompatibleMarker); mark < up) {
    const auto begin = mark + kCompatibleMarker.size();
    const auto digits = content.find_first_not_of("0123456789", begin);
    migration.compatible_since = content.substr(begin, std::min(digits, content.size()) - begin);
    if (migration.compatible_since.empty() || migration.compatible_since >= migration.version) {
      throw MigrationError(fmt::format("{}: '{}' is followed by an earlier migration's version",
                                       file_name, kCompatibleMarker));
    }
  }
  if (content.find(kCompatibleMarker, up) != std::string_view::npos) {
    throw MigrationError(
        fmt::format("{}: '{}' stands above '{}'", file_name, kCompatibleMarker, kUpMarker));
  }
  migration.up = section(up, down);
  migration.down = section(down, content.size());
  return migration;
}

std::vector<Migration> embedded_migrations(std::string_view folder) {
  std::vector<Migration> migrations;
  for (const auto& file : embedded_folder(folder)) {
    migrations.push_back(
        parse_migration(std::string{file.path.substr(folder.size() + 1)}, file.content));
  }
  sort_by_version(migrations);
  return migrations;
}

std::vector<Migration> read_migrations(const std::filesystem::path& folder) {
  std::vector<Migration> migrations;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".sql") {
      std::ifstream in{entry.path()};
      const std::string content{std::istreambuf_iterator<char>{in}, {}};
      migrations.push_back(parse_migration(entry.path().filename().string(), content));
    }
  }
  sort_by_version(migrations);
  return migrations;
}

asio::awaitable<int> migrate_up(Connection& connection, std::vector<Migration> migrations,
                                MigrationTable table, std::optional<std::string> last,
                                MigrationProgress progress) {
  std::function<asio::awaitable<int>(Connection&)> step =
      [&](Connection& locked_connection) -> asio::awaitable<int> {
    co_await locked_connection.run_script(statements(table).create);
    const auto applied = co_await applied_versions(locked_connection, table);
    const auto foreign = fit_of(applied, migrations).foreign;
    if (foreign && table == MigrationTable::schema_migrations) {
      throw MigrationError(newer_database(*foreign));
    }
    int count = 0;
    for (const auto& migration : migrations) {
      if (!applied.contains(migration.version) && (!last || migration.version <= *last)) {
        co_await apply(locked_connection, migration, true, table);
        progress(migration);
        ++count;
      }
    }
    co_return count;
  };
  co_return co_await locked(connection, step);
}

asio::awaitable<int> migrate_down(Connection& connection, std::vector<Migration> migrations,
                                  MigrationTable table, bool all, MigrationProgress progress) {
  std::function<asio::awaitable<int>(Connection&)> step =
      [&](Connection& locked_connection) -> asio::awaitable<int> {
    auto applied = co_await applied_versions(locked_connection, table);
    int count = 0;
    while (!applied.empty() && (all || count == 0)) {
      const std::string newest = applied.rbegin()->first;
      const auto found =
          std::find_if(migrations.begin(), migrations.end(),
                       [&](const Migration& migration) { return migration.version == newest; });
      if (found == migrations.end()) {
        throw MigrationError(
            fmt::format("version {} in the database is unknown to this binary, so it cannot be "
                        "undone: use the version of InferNode that applied it",
                        newest));
      }
      co_await apply(locked_connection, *found, false, table);
      progress(*found);
      applied.erase(newest);
      ++count;
    }
    co_return count;
  };
  co_return co_await locked(connection, step);
}

asio::awaitable<std::vector<MigrationStatus>> migration_status(Connection& connection,
                                                               std::vector<Migration> migrations,
                                                               MigrationTable table) {
  auto applied = co_await applied_versions(connection, table);
  std::vector<MigrationStatus> status;
  for (auto& migration : migrations) {
    const bool is_applied = applied.erase(migration.version) > 0;
    status.push_back(MigrationStatus{std::move(migration), is_applied});
  }
  for (const auto& [version, since] : applied) {
    status.push_back(MigrationStatus{Migration{version, version, "", ""}, true});
  }
  std::sort(status.begin(), status.end(), [](const MigrationStatus& a, const MigrationStatus& b) {
    return a.migration.version < b.migration.version;
  });
  co_return status;
}

asio::awaitable<SchemaFit> schema_fit(Connection& connection, std::vector<Migration> migrations) {
  const auto applied = co_await applied_versions(connection, MigrationTable::schema_migrations);
  co_return fit_of(applied, migrations);
}

asio::awaitable<void> require_current_schema(Connection& connection,
                                             std::vector<Migration> migrations) {
  const auto fit = co_await schema_fit(connection, std::move(migrations));
  if (fit.missing) {
    throw MigrationError(fmt::format(
        "the database lacks migration {}: run 'infernode db:migrate' first", *fit.missing));
  }
  if (fit.foreign) {
    throw MigrationError(newer_database(*fit.foreign));
  }
}

}  // namespace infernode::db
