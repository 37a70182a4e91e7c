#include "db/embedded_server.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <functional>

#include "core/log.hpp"

namespace infernode::db {
namespace {

namespace fs = std::filesystem;

// sockaddr_un holds 107 characters; the socket's own name takes 18 of them.
constexpr std::size_t kMaxSocketDir = 85;

int open_lock(const fs::path& file) {
  const int descriptor = open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0) {
    throw EmbeddedServerError(
        fmt::format("{} cannot be written: {}", file.string(), std::strerror(errno)));
  }
  return descriptor;
}

// True when `account` may pass through every folder above and including `dir`.
bool reachable(const fs::path& dir, const Account& account) {
  const ProcessResult result = run_process({"/usr/bin/test", "-x", dir.string()}, account);
  return result.status == 0;
}

int major_of(const fs::path& bin_dir) {
  const ProcessResult result = run_process({(bin_dir / "postgres").string(), "--version"});
  // "postgres (PostgreSQL) 15.18 (Debian ...)"
  const auto at = result.output.find("PostgreSQL) ");
  int major = 0;
  if (at != std::string::npos) {
    const char* begin = result.output.data() + at + 12;
    std::from_chars(begin, result.output.data() + result.output.size(), major);
  }
  return major;
}

void own(const fs::path& path, const std::optional<Account>& account) {
  if (account && chown(path.c_str(), account->uid, account->gid) != 0) {
    throw EmbeddedServerError(fmt::format("{} cannot be given to the user postgres: {}",
                                          path.string(), std::strerror(errno)));
  }
}

std::optional<std::string> account_name(uid_t uid) {
  const passwd* entry = getpwuid(uid);
  return entry == nullptr ? std::nullopt : std::optional<std::string>{entry->pw_name};
}

std::string last_lines(const std::string& text) {
  return text.size() > 2000 ? text.substr(text.size() - 2000) : text;
}

}  // namespace

std::optional<fs::path> find_postgres(const fs::path& configured, std::optional<int> major) {
  std::vector<fs::path> candidates;
  if (!configured.empty()) {
    candidates.push_back(configured);
  } else {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql", ignored)) {
      candidates.push_back(entry.path() / "bin");
    }
  }
  std::optional<fs::path> best;
  int best_major = 0;
  for (const auto& candidate : candidates) {
    if (access((candidate / "initdb").c_str(), X_OK) != 0 ||
        access((candidate / "pg_ctl").c_str(), X_OK) != 0) {
      continue;
    }
    const int found = major_of(candidate);
    if (found > best_major && (!major || *major == found)) {
      best = candidate;
      best_major = found;
    }
  }
  return best;
}

EmbeddedServer::EmbeddedServer(const fs::path& data_dir, const fs::path& bin_dir,
                               const std::string& database) {
  fs::path home = fs::absolute(data_dir).lexically_normal();
  std::error_code error;
  fs::create_directories(home, error);
  if (error) {
    throw EmbeddedServerError(
        fmt::format("the data directory {} cannot be created: {}; set "
                    "INFERNODE_DATA_DIR to a place that can be written",
                    home.string(), error.message()));
  }
  if (geteuid() == 0) {
    account_ = find_account("postgres");
    if (!account_) {
      throw EmbeddedServerError(
          "PostgreSQL does not run as root and there is no user postgres: install Debian's "
          "package postgresql, or set DB_HOST to use another server");
    }
    if (!reachable(home, *account_)) {
      const fs::path other = fs::path{"/var/lib/infernode"} /
                             fmt::format("{:016x}", std::hash<std::string>{}(home.string()));
      log::warn("the user postgres cannot reach {}, so the embedded database lives in {}",
                home.string(), other.string());
      home = other;
      fs::create_directories(home);
    }
  }
  cluster_dir_ = home / "postgres";
  socket_dir_ = home / "postgres-socket";
  if (socket_dir_.string().size() > kMaxSocketDir) {
    socket_dir_ = fs::path{"/tmp"} / fmt::format("infernode-{}-{:016x}", geteuid(),
                                                 std::hash<std::string>{}(cluster_dir_.string()));
  }
  start_lock_ = open_lock(home / "postgres.start.lock");
  users_lock_ = open_lock(home / "postgres.users.lock");
  flock(start_lock_, LOCK_EX);
  try {
    std::ifstream version_file{cluster_dir_ / "PG_VERSION"};
    int major = 0;
    const bool exists = static_cast<bool>(version_file >> major);
    const auto found = find_postgres(bin_dir, exists ? std::optional<int>{major} : std::nullopt);
    if (!found) {
      throw EmbeddedServerError(
          exists ? fmt::format("the embedded database in {} needs PostgreSQL {}, which was not "
                               "found under /usr/lib/postgresql: install Debian's package "
                               "postgresql-{}, or set INFERNODE_POSTGRES_BIN_DIR",
                               cluster_dir_.string(), major, major)
                 : std::string{"PostgreSQL was not found under /usr/lib/postgresql: install "
                               "Debian's package postgresql, set INFERNODE_POSTGRES_BIN_DIR, or "
                               "set DB_HOST to use another server"});
    }
    bin_dir_ = *found;
    fs::create_directories(socket_dir_);
    chmod(socket_dir_.c_str(), 0700);
    own(socket_dir_, account_);
    if (!exists) {
      create_cluster();
    }
    start();
    create_database(database);
    flock(users_lock_, LOCK_SH);
    flock(start_lock_, LOCK_UN);
  } catch (...) {
    close(users_lock_);
    close(start_lock_);
    throw;
  }
}

EmbeddedServer::~EmbeddedServer() {
  flock(start_lock_, LOCK_EX);
  // Only the last user can turn its shared lock into an exclusive one.
  if (!leave_running_ && flock(users_lock_, LOCK_EX | LOCK_NB) == 0) {
    try {
      run("pg_ctl", {"-D", cluster_dir_.string(), "-m", "fast", "-w", "-t", "60", "stop"});
    } catch (const std::exception& error) {
      log::warn("the embedded database could not be stopped: {}", error.what());
    }
  }
  close(users_lock_);
  close(start_lock_);
}

ProcessResult EmbeddedServer::run(const std::string& program,
                                  std::vector<std::string> arguments) const {
  arguments.insert(arguments.begin(), (bin_dir_ / program).string());
  return run_process(arguments, account_);
}

void EmbeddedServer::create_cluster() {
  // Made aside and renamed, so that an interrupted initdb is not taken for a cluster.
  const fs::path fresh = cluster_dir_.string() + ".new";
  fs::remove_all(fresh);
  fs::create_directories(fresh);
  chmod(fresh.c_str(), 0700);
  own(fresh, account_);
  const ProcessResult result =
      run("initdb", {"-D", fresh.string(), "--auth=peer", "--username=postgres", "--encoding=UTF8",
                     "--locale=C.UTF-8", "--no-instructions"});
  if (result.status != 0) {
    throw EmbeddedServerError("initdb failed:\n" + last_lines(result.output));
  }
  std::ofstream configuration{fresh / "postgresql.conf", std::ios::app};
  configuration << "\n# InferNode: a socket only, whatever else this machine runs.\n"
                   "listen_addresses = ''\n"
                   "unix_socket_permissions = 0700\n"
                   "max_connections = 300\n"
                   "max_wal_size = 2GB\n"
                   "timezone = 'UTC'\n";
  configuration.close();
  if (!configuration) {
    throw EmbeddedServerError("postgresql.conf cannot be written; is the disk full?");
  }
  fs::rename(fresh, cluster_dir_);
}

// Who may come in through the socket is asked of the kernel (peer authentication): the account that
// PostgreSQL runs as and the one that we run as, nobody else. Written at each start, since older
// versions trusted everybody who reached the socket.
void EmbeddedServer::write_authentication() const {
  const auto own_name = account_name(geteuid());
  const auto server_name = account_ ? account_name(account_->uid) : own_name;
  if (!own_name || !server_name) {
    // Peer authentication goes by names. The socket's folder still lets in its owner alone.
    log::warn("the user {} has no name here, so the embedded database goes by its socket's rights",
              geteuid());
    write_file(cluster_dir_ / "pg_hba.conf", "local all all trust\n");
    return;
  }
  write_file(cluster_dir_ / "pg_ident.conf",
             fmt::format("# Written by InferNode at each start.\ninfernode \"{}\" postgres\n"
                         "infernode \"{}\" postgres\n",
                         *own_name, *server_name));
  write_file(cluster_dir_ / "pg_hba.conf",
             "# Written by InferNode at each start.\nlocal all postgres peer map=infernode\n");
}

// Renamed into place, so that it is there whole or not at all.
void EmbeddedServer::write_file(const fs::path& file, const std::string& text) const {
  const fs::path fresh = file.string() + ".new";
  std::ofstream out{fresh};
  out << text;
  out.close();
  if (!out) {
    throw EmbeddedServerError(
        fmt::format("{} cannot be written; is the disk full?", file.string()));
  }
  chmod(fresh.c_str(), 0600);
  own(fresh, account_);
  fs::rename(fresh, file);
}

void EmbeddedServer::start() {
  if (run("pg_ctl", {"-D", cluster_dir_.string(), "status"}).status == 0) {
    return;
  }
  write_authentication();
  const fs::path log_file = cluster_dir_ / "server.log";
  const ProcessResult result =
      run("pg_ctl", {"-D", cluster_dir_.string(), "-l", log_file.string(), "-w", "-t", "60", "-o",
                     fmt::format("-k '{}'", socket_dir_.string()), "start"});
  if (result.status != 0) {
    std::ifstream in{log_file};
    const std::string tail{std::istreambuf_iterator<char>{in}, {}};
    throw EmbeddedServerError(fmt::format("the embedded database did not start:\n{}{}",
                                          last_lines(result.output), last_lines(tail)));
  }
}

void EmbeddedServer::create_database(const std::string& database) {
  const ProcessResult result =
      run("createdb", {"-h", socket_dir_.string(), "-U", "postgres", database});
  if (result.status != 0 && result.output.find("already exists") == std::string::npos) {
    throw EmbeddedServerError("the database cannot be created:\n" + last_lines(result.output));
  }
}

}  // namespace infernode::db
