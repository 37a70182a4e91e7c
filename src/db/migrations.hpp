#pragma once

#include <boost/asio/awaitable.hpp>
#include <filesystem>
#include <functional>
#include <optional>
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
  // Binaries that know all migrations up to this version work with the schema that this one makes,
  // though they do not know it: its line `-- compatible-since: VERSION`. Empty: none does.
  std::string compatible_since{};
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
// Those in a folder on disk, by version. Throws MigrationError.
std::vector<Migration> read_migrations(const std::filesystem::path& folder);

// What keeps the versions that were applied. dbmate shares the first.
enum class MigrationTable { schema_migrations, seeder_migrations };

using MigrationProgress = std::function<void(const Migration&)>;

// Applies every migration that is missing (with `last` up to that version), each in a transaction
// of its own together with its version, under an advisory lock, so that two processes at once apply
// each only once. Returns how many. A failing one leaves no trace and throws MigrationError with
// the file, the statement and its line; so does, before anything is done, a schema that a newer
// InferNode made and this one does not work with.
asio::awaitable<int> migrate_up(Connection& connection, std::vector<Migration> migrations,
                                MigrationTable table, std::optional<std::string> last,
                                MigrationProgress progress);
// Undoes the newest applied migration, or all of them. Returns how many.
asio::awaitable<int> migrate_down(Connection& connection, std::vector<Migration> migrations,
                                  MigrationTable table, bool all, MigrationProgress progress);
// In the order of versions. A version in the database that `migrations` does not have comes with
// itself as its name and nothing to run.
asio::awaitable<std::vector<MigrationStatus>> migration_status(Connection& connection,
                                                               std::vector<Migration> migrations,
                                                               MigrationTable table);

// How a database's schema and the migrations that a binary knows go together.
struct SchemaFit {
  std::string version{};  // the newest in the database; empty where nothing was applied
  std::string needed{};   // the newest of the binary
  std::optional<std::string> missing{};  // name of the first one that the database lacks
  // The newest one in the database that is not for this binary: it does not know it, and it is not
  // marked as compatible with what it knows.
  std::optional<std::string> foreign{};

  bool works() const { return !missing && !foreign; }
};
asio::awaitable<SchemaFit> schema_fit(Connection& connection, std::vector<Migration> migrations);
// Throws MigrationError, with what to do, unless the schema works for this binary.
asio::awaitable<void> require_current_schema(Connection& connection,
                                             std::vector<Migration> migrations);

}  // namespace infernode::db
