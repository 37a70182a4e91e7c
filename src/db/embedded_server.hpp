#pragma once

#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>

#include "core/process.hpp"

namespace infernode::db {

// The embedded cluster cannot run here; what() says what to do.
class EmbeddedServerError : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

// A PostgreSQL cluster of InferNode's own, reached through a Unix socket that only its user (and
// root) can open; it has no TCP port. Several processes may hold it at once: the first starts it,
// the last one to go stops it. A process that is killed leaves the cluster running; the next one
// takes it over, also after a crash of the machine.
class EmbeddedServer {
public:
  // Creates (first time), starts and joins the cluster under `data_dir`, and creates `database` in
  // it. As root PostgreSQL runs as the user `postgres`; when that user cannot reach data_dir the
  // cluster lives under /var/lib/infernode instead. Blocks for up to a minute. Throws
  // EmbeddedServerError.
  EmbeddedServer(const std::filesystem::path& data_dir, const std::filesystem::path& bin_dir,
                 const std::string& database);
  // Stops the cluster unless another process holds it.
  ~EmbeddedServer();
  EmbeddedServer(const EmbeddedServer&) = delete;
  EmbeddedServer& operator=(const EmbeddedServer&) = delete;

  // The destructor will not stop the cluster; the next process that goes last does.
  void leave_running() { leave_running_ = true; }

  const std::filesystem::path& cluster_dir() const { return cluster_dir_; }
  const std::filesystem::path& socket_dir() const { return socket_dir_; }

private:
  void create_cluster();
  void write_authentication() const;
  void write_file(const std::filesystem::path& file, const std::string& text) const;
  void start();
  void create_database(const std::string& database);
  ProcessResult run(const std::string& program, std::vector<std::string> arguments) const;

  std::optional<Account> account_;
  std::filesystem::path bin_dir_;
  std::filesystem::path cluster_dir_;
  std::filesystem::path socket_dir_;
  bool leave_running_ = false;
  int start_lock_ = -1;  // held while starting and stopping
  int users_lock_ = -1;  // held shared as long as this object lives
};

// The folder with initdb and pg_ctl: `configured` if not empty, else the newest under
// /usr/lib/postgresql, or the one of `major` if given. nullopt when there is none.
std::optional<std::filesystem::path> find_postgres(const std::filesystem::path& configured,
                                                   std::optional<int> major = std::nullopt);

}  // namespace infernode::db
