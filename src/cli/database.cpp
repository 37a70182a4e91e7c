#include "cli/database.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "core/log.hpp"

namespace infernode::cli {

Database::Database(const Config& config) {
  if (config.embedded_database()) {
    server_ = std::make_unique<db::EmbeddedServer>(config.data_dir, config.postgres_bin_dir,
                                                   config.db_name);
    address_ = {server_->socket_dir().string(), 5432, "postgres", "", config.db_name};
  } else {
    address_ = {*config.db_host, config.db_port, config.db_username, config.db_password,
                config.db_name};
  }
}

std::optional<std::filesystem::path> development_checkout(const Config& config) {
  std::error_code error;
  const auto binary = std::filesystem::read_symlink("/proc/self/exe", error);
  const auto build = binary.parent_path().parent_path().parent_path();
  const auto root = build.parent_path();
  const bool built_there = !error && binary.parent_path().filename() == "bin" &&
                           build.filename() == "build" &&
                           std::filesystem::exists(root / "CMakePresets.json", error) &&
                           std::filesystem::is_directory(root / kMigrations, error);
  if (!built_there || config.environment == "production") {
    return std::nullopt;
  }
  return root;
}

std::vector<db::Migration> known_migrations(const Config& config, const char* folder) {
  const auto checkout = development_checkout(config);
  return checkout ? db::read_migrations(*checkout / folder) : db::embedded_migrations(folder);
}

void with_connection(const std::string& conninfo,
                     std::function<asio::awaitable<void>(db::Connection&)> work) {
  asio::io_context context;
  std::exception_ptr failure;
  auto body = [&]() -> asio::awaitable<void> {
    auto connection = co_await db::Connection::open(context.get_executor(), conninfo);
    co_await work(*connection);
  };
  asio::co_spawn(context, body(), [&](const std::exception_ptr& error) { failure = error; });
  context.run();
  if (failure) {
    std::rethrow_exception(failure);
  }
}

Config load_settings() {
  Config config = load_config(process_environment(), read_dotenv(".env"));
  log::configure(config.log_level, config.log_format);
  return config;
}

}  // namespace infernode::cli
