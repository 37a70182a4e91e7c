#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <string>
#include <vector>

#include "db/connection.hpp"

namespace infernode::db {

// A file in dbmate's form: a version (the digits its name begins with), what to run to go up, and
// what to run to go down again.
struct Migration {
  std::string version;  // "20250709105710"
  std::string name;     // "20250709105710-create-user"
  std::string up;
  std::string down;
};

struct MigrationStatus {
  Migration migration;
  bool applied;
};

// A migration file that cannot be read, or a schema this binary does not fit.
class MigrationError : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

// Splits a file at its `-- migrate:up` and `-- migrate:down` lines. Throws MigrationError.
Migration parse_migration(std::string file_name, std::string_view content);
// Those of `folder` ("db/migrations", "db/seeders") in the binary, by version.
std::vector<Migration> embedded_migrations(std::string_view folder);

// What keeps the versions that were applied. dbmate shares the first.
enum class MigrationTable { schema_migrations, seeder_migrations };

using MigrationProgress = std::function<void(const Migration&)>;

// Applies every migration that is missing, each in a transaction of its own together with its
// version, under an advisory lock, so that two processes at once apply each only once. Returns how
// many. A failing one leaves no trace and throws MigrationError with the file and the line.
asio::awaitable<int> migrate_up(Connection& connection, std::vector<Migration> migrations,
                                MigrationTable table, MigrationProgress progress);
// Undoes the newest applied migration, or all of them. Returns how many.
asio::awaitable<int> migrate_down(Connection& connection, std::vector<Migration> migrations,
                                  MigrationTable table, bool all, MigrationProgress progress);
asio::awaitable<std::vector<MigrationStatus>> migration_status(Connection& connection,
                                                               std::vector<Migration> migrations,
                                                               MigrationTable table);
// Throws MigrationError when the schema misses a migration of this binary, or has one that this
// binary does not know (it was migrated by a newer version).
asio::awaitable<void> require_current_schema(Connection& connection,
                                             std::vector<Migration> migrations);

}  // namespace infernode::db
