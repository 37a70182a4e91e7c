#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <memory>
#include <string>

#include "core/config.hpp"
#include "db/connection.hpp"
#include "db/conninfo.hpp"
#include "db/embedded_server.hpp"

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

// Runs `work` on a connection of its own and waits for it. Throws what it throws.
void with_connection(const std::string& conninfo,
                     std::function<asio::awaitable<void>(db::Connection&)> work);

// The settings from the environment and ./.env, with logging set up. Throws ConfigError.
Config load_settings();

}  // namespace infernode::cli
