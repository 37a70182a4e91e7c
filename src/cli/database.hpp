#pragma once

#include <boost/asio/awaitable.hpp>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/config.hpp"
#include "db/connection.hpp"
#include "db/conninfo.hpp"
#include "db/embedded_server.hpp"
#include "db/migrations.hpp"

namespace infernode::cli {

namespace asio = boost::asio;

// The database that the configuration names; the embedded one runs as long as this lives.
class Database {
public:
  // Throws db::EmbeddedServerError.
  explicit Database(const Config& config);

  std::string conninfo() const { return db::conninfo_of(address_); }
  std::string url() const { return db::url_of(address_); }
  db::EmbeddedServer* embedded() const { return server_.get(); }

private:
  std::unique_ptr<db::EmbeddedServer> server_;
  db::DatabaseAddress address_;
};

constexpr const char* kMigrations = "db/migrations";
constexpr const char* kSeeders = "db/seeders";

// The source tree that this binary was built in (as build/PRESET/bin/infernode), if it is still
// there and INFERNODE_ENV is not production.
std::optional<std::filesystem::path> development_checkout(const Config& config);
// The migrations (or seeders) to work with: those in the binary or, in a development checkout,
// those in its folder as they are now.
std::vector<db::Migration> known_migrations(const Config& config, const char* folder);

// Runs `work` on a connection of its own and waits for it. Throws what it throws.
void with_connection(const std::string& conninfo,
                     std::function<asio::awaitable<void>(db::Connection&)> work);

// The settings from the environment and ./.env, with logging set up. Throws ConfigError.
Config load_settings();

}  // namespace infernode::cli
