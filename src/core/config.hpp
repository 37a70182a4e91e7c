#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/address_set.hpp"
#include "core/origin_set.hpp"
#include "core/tokens.hpp"

namespace infernode {

// Everything that can be set from outside. `.env.example` explains each setting; a test keeps the
// two lists equal.
struct Config {
  // The database. Without a host an embedded cluster under data_dir is used.
  std::optional<std::string> db_host;
  std::uint16_t db_port = 5432;
  std::string db_username = "postgres";
  std::string db_password;
  std::string db_name = "InferNode";
  int db_pool_size = 10;                   // connections of one process
  std::filesystem::path postgres_bin_dir;  // empty: search Debian's places and PATH

  std::string environment = "development";  // or "production"
  std::string log_level = "info";
  std::string log_format = "text";  // or "json"
  std::string host = "127.0.0.1";
  std::uint16_t port = 3000;
  int max_connections = 4000;
  int max_connections_of_address = 300;
  AddressSet trusted_proxies;
  AddressSet webhook_networks;                // that webhooks may go to besides public addresses
  std::int64_t rate_limit_per_user = 30'000;  // requests a minute; 0: any number
  std::int64_t rate_limit_per_address = 60'000;
  OriginSet cors_origins;
  std::string metrics_token;  // empty: nobody but this machine may read /metrics
  std::filesystem::path data_dir = "./data";
  std::filesystem::path keys_dir;   // empty: data_dir/keys
  std::filesystem::path model_dir;  // empty: beside the binary, ../share/infernode/models
  std::map<std::string, std::string> default_models;  // by pipeline

  int bcrypt_cost = 12;
  int hash_queue = 32;  // passwords that wait to be hashed
  std::int64_t jwt_ttl_seconds = 86'400;
  int login_failures_per_account = 10;
  int login_failures_per_address = 100;
  int registrations_per_address = 100;
  int login_window_seconds = 900;
  std::string registration = "open";  // or "closed"
  Tokens price_upload_frame = Tokens::from_thousandths(1);
  Tokens price_inference_image = Tokens::from_thousandths(2);
  int upload_wait_seconds = 20;  // for the probe, before an upload is answered 202
  std::int64_t upload_max_bytes = 17'179'869'184;  // 16 GiB
  int uploads_at_once = 100;                       // of one user
  std::int64_t storage_quota = 53'687'091'200;     // of one user: 50 GiB
  std::int64_t disk_floor = 1'073'741'824;         // bytes that stay free: 1 GiB

  int max_open_jobs = 10'000;           // of one user
  int max_running_segments = 0;         // of one user; 0: any number
  std::string missing_device = "wait";  // or "refuse"

  int workers = 1;         // inside `serve`
  int worker_threads = 0;  // inference threads of one worker; 0: one per core
  int lease_seconds = 10;
  int sweep_seconds = 60;
  int event_keep_seconds = 86'400;
  int segment_keep_seconds = 604'800;  // after the end of their job

  double watts_per_core = 3.5;
  std::string grid_country = "WORLD";        // ISO 3166-1 alpha-3
  std::optional<double> grid_grams_per_kwh;  // overrides the built-in table

  bool embedded_database() const { return !db_host.has_value(); }
  bool registration_open() const { return registration == "open"; }
};

// A wrong or unknown setting. what() has one line each: name, value, what would be right.
class ConfigError : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

// Reads the settings out of `environment`, then out of `dotenv` (lines NAME=VALUE) for names that
// the environment does not have. Throws ConfigError that names every wrong setting at once, among
// them unknown names that begin with INFERNODE_ and any unknown name in `dotenv`.
Config load_config(const std::map<std::string, std::string>& environment,
                   const std::map<std::string, std::string>& dotenv);

// This process's environment.
std::map<std::string, std::string> process_environment();

// Reads a `.env` file: NAME=VALUE lines, `#` comments, optional `export ` and quotes around the
// value. A missing file is empty. Throws ConfigError with the line's number for anything else.
std::map<std::string, std::string> read_dotenv(const std::filesystem::path& file);

// The names of all settings, in the order of `.env.example`.
std::vector<std::string> setting_names();

}  // namespace infernode
