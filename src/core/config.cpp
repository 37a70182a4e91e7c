#include "core/config.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <fstream>
#include <functional>
#include <string_view>

namespace infernode {
namespace {

constexpr std::size_t kMinSecretBytes = 16;
constexpr std::int64_t kMaxBytes = 1'000'000'000'000'000'000;

// Stores a value in the configuration; returns what would be right when it is wrong.
using Setter = std::function<std::optional<std::string>(Config&, const std::string&)>;

struct Setting {
  const char* name;
  Setter set;
};

template <class T>
std::optional<T> parse_number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc{} && end == text.data() + text.size() && !text.empty();
  return whole ? std::optional<T>{value} : std::nullopt;
}

template <class T>
Setter number(T Config::*member, T least, T most) {
  return [=](Config& config, const std::string& text) -> std::optional<std::string> {
    const auto value = parse_number<T>(text);
    if (!value || *value < least || *value > most) {
      return fmt::format("a number from {} to {}", least, most);
    }
    config.*member = *value;
    return std::nullopt;
  };
}

template <class Member>
Setter text(Member Config::*member) {
  return [=](Config& config, const std::string& value) -> std::optional<std::string> {
    if (value.empty()) {
      return "a text that is not empty";
    }
    config.*member = value;
    return std::nullopt;
  };
}

Setter one_of(std::string Config::*member, std::vector<std::string> choices) {
  return [=](Config& config, const std::string& value) -> std::optional<std::string> {
    for (const auto& choice : choices) {
      if (value == choice) {
        config.*member = value;
        return std::nullopt;
      }
    }
    return fmt::format("one of {}", fmt::join(choices, ", "));
  };
}

// At most 1000, so that the longest video's price is still an amount.
Setter price(Tokens Config::*member) {
  return [=](Config& config, const std::string& value) -> std::optional<std::string> {
    const auto tokens = Tokens::parse(value);
    if (!tokens || *tokens < Tokens{} || *tokens > Tokens::from_thousandths(1'000'000)) {
      return "tokens from 0 to 1000, with three decimals at most";
    }
    config.*member = *tokens;
    return std::nullopt;
  };
}

std::optional<std::string> set_dialect(Config& /*config*/, const std::string& value) {
  return value == "postgres" ? std::nullopt : std::optional<std::string>{"postgres"};
}

Setter address_setter(AddressSet Config::*member) {
  return [=](Config& config, const std::string& value) -> std::optional<std::string> {
    const auto addresses = AddressSet::parse(value);
    if (!addresses) {
      return "IP addresses and networks, such as 127.0.0.1, 10.0.0.0/8";
    }
    config.*member = *addresses;
    return std::nullopt;
  };
}

std::optional<std::string> set_cors_origins(Config& config, const std::string& value) {
  const auto origins = OriginSet::parse(value);
  if (!origins) {
    return "origins as browsers write them, such as https://app.example.com, or *";
  }
  config.cors_origins = *origins;
  return std::nullopt;
}

std::optional<std::string> set_metrics_token(Config& config, const std::string& value) {
  if (!value.empty() && value.size() < kMinSecretBytes) {
    return fmt::format("at least {} characters, or nothing", kMinSecretBytes);
  }
  config.metrics_token = value;
  return std::nullopt;
}

std::optional<std::string> set_grid_intensity(Config& config, const std::string& value) {
  const auto grams = parse_number<double>(value);
  if (!grams || *grams < 0 || *grams > 5000) {
    return "grams of CO2e per kWh, from 0 to 5000";
  }
  config.grid_grams_per_kwh = grams;
  return std::nullopt;
}

std::optional<std::string> set_default_models(Config& config, const std::string& value) {
  config.default_models.clear();
  for (std::size_t at = 0; at < value.size();) {
    const auto end = std::min(value.find(',', at), value.size());
    const std::string entry = value.substr(at, end - at);
    const auto equals = entry.find('=');
    if (equals == 0 || equals == std::string::npos || equals + 1 == entry.size()) {
      return "PIPELINE=MODEL, with commas between";
    }
    config.default_models.insert_or_assign(entry.substr(0, equals), entry.substr(equals + 1));
    at = end + 1;
  }
  return std::nullopt;
}

std::optional<std::string> set_grid_country(Config& config, const std::string& value) {
  const bool letters = value.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ") == std::string::npos;
  if (!letters || (value.size() != 3 && value != "WORLD")) {
    return "an ISO 3166-1 alpha-3 code in capitals, such as DEU, or WORLD";
  }
  config.grid_country = value;
  return std::nullopt;
}

const std::vector<Setting>& settings() {
  static const std::vector<Setting> all{
      {"DB_HOST", text(&Config::db_host)},
      {"DB_PORT", number<std::uint16_t>(&Config::db_port, 1, 65535)},
      {"DB_USERNAME", text(&Config::db_username)},
      {"DB_PASSWORD", text(&Config::db_password)},
      {"DB_NAME", text(&Config::db_name)},
      {"DB_DIALECT", set_dialect},
      {"INFERNODE_DB_POOL_SIZE", number<int>(&Config::db_pool_size, 3, 500)},
      {"INFERNODE_POSTGRES_BIN_DIR", text(&Config::postgres_bin_dir)},
      {"INFERNODE_ENV", one_of(&Config::environment, {"development", "production"})},
      {"INFERNODE_LOG_LEVEL",
       one_of(&Config::log_level, {"debug", "info", "warn", "error", "off"})},
      {"INFERNODE_LOG_FORMAT", one_of(&Config::log_format, {"text", "json"})},
      {"INFERNODE_HOST", text(&Config::host)},
      {"INFERNODE_PORT", number<std::uint16_t>(&Config::port, 0, 65535)},
      {"INFERNODE_MAX_CONNECTIONS", number<int>(&Config::max_connections, 1, 1'000'000)},
      {"INFERNODE_MAX_CONNECTIONS_OF_ADDRESS",
       number<int>(&Config::max_connections_of_address, 1, 1'000'000)},
      {"INFERNODE_TRUSTED_PROXIES", address_setter(&Config::trusted_proxies)},
      {"INFERNODE_WEBHOOK_NETWORKS", address_setter(&Config::webhook_networks)},
      {"INFERNODE_RATE_LIMIT_PER_USER",
       number<std::int64_t>(&Config::rate_limit_per_user, 0, 1'000'000'000)},
      {"INFERNODE_RATE_LIMIT_PER_ADDRESS",
       number<std::int64_t>(&Config::rate_limit_per_address, 0, 1'000'000'000)},
      {"INFERNODE_CORS_ORIGINS", set_cors_origins},
      {"INFERNODE_METRICS_TOKEN", set_metrics_token},
      {"INFERNODE_DATA_DIR", text(&Config::data_dir)},
      {"INFERNODE_KEYS_DIR", text(&Config::keys_dir)},
      {"INFERNODE_MODEL_DIR", text(&Config::model_dir)},
      {"INFERNODE_DEFAULT_MODELS", set_default_models},
      {"INFERNODE_MISSING_DEVICE", one_of(&Config::missing_device, {"wait", "refuse"})},
      {"INFERNODE_BCRYPT_COST", number<int>(&Config::bcrypt_cost, 4, 20)},
      {"INFERNODE_HASH_QUEUE", number<int>(&Config::hash_queue, 1, 10'000)},
      {"INFERNODE_JWT_TTL_SECONDS", number<std::int64_t>(&Config::jwt_ttl_seconds, 1, 31'536'000)},
      {"INFERNODE_LOGIN_FAILURES_PER_ACCOUNT",
       number<int>(&Config::login_failures_per_account, 1, 1'000'000)},
      {"INFERNODE_LOGIN_FAILURES_PER_ADDRESS",
       number<int>(&Config::login_failures_per_address, 1, 1'000'000)},
      {"INFERNODE_REGISTRATIONS_PER_ADDRESS",
       number<int>(&Config::registrations_per_address, 1, 1'000'000)},
      {"INFERNODE_LOGIN_WINDOW_SECONDS", number<int>(&Config::login_window_seconds, 1, 86'400)},
      {"INFERNODE_REGISTRATION", one_of(&Config::registration, {"open", "closed"})},
      {"INFERNODE_PRICE_UPLOAD_FRAME", price(&Config::price_upload_frame)},
      {"INFERNODE_PRICE_INFERENCE_IMAGE", price(&Config::price_inference_image)},
      {"INFERNODE_UPLOAD_MAX_BYTES",
       number<std::int64_t>(&Config::upload_max_bytes, 1, 1'099'511'627'776)},
      {"INFERNODE_UPLOAD_WAIT_SECONDS", number<int>(&Config::upload_wait_seconds, 0, 3600)},
      {"INFERNODE_UPLOADS_AT_ONCE", number<int>(&Config::uploads_at_once, 1, 1'000'000)},
      {"INFERNODE_STORAGE_QUOTA_BYTES", number<std::int64_t>(&Config::storage_quota, 0, kMaxBytes)},
      {"INFERNODE_DISK_FLOOR_BYTES", number<std::int64_t>(&Config::disk_floor, 0, kMaxBytes)},
      {"INFERNODE_MAX_OPEN_JOBS", number<int>(&Config::max_open_jobs, 1, 10'000'000)},
      {"INFERNODE_MAX_RUNNING_SEGMENTS", number<int>(&Config::max_running_segments, 0, 1'000'000)},
      {"INFERNODE_WORKERS", number<int>(&Config::workers, 0, 64)},
      {"INFERNODE_WORKER_THREADS", number<int>(&Config::worker_threads, 0, 256)},
      {"INFERNODE_LEASE_SECONDS", number<int>(&Config::lease_seconds, 2, 3600)},
      {"INFERNODE_SWEEP_SECONDS", number<int>(&Config::sweep_seconds, 1, 86'400)},
      {"INFERNODE_EVENT_KEEP_SECONDS", number<int>(&Config::event_keep_seconds, 60, 315'360'000)},
      {"INFERNODE_SEGMENT_KEEP_SECONDS",
       number<int>(&Config::segment_keep_seconds, 0, 315'360'000)},
      {"INFERNODE_WATTS_PER_CORE", number<double>(&Config::watts_per_core, 0.01, 1000)},
      {"INFERNODE_GRID_COUNTRY", set_grid_country},
      {"INFERNODE_GRID_GRAMS_PER_KWH", set_grid_intensity},
  };
  return all;
}

const Setting* find_setting(std::string_view name) {
  for (const auto& setting : settings()) {
    if (setting.name == name) {
      return &setting;
    }
  }
  return nullptr;
}

std::string shown(std::string_view name, const std::string& value) {
  const bool secret = name.find("PASSWORD") != std::string_view::npos ||
                      name.find("METRICS_TOKEN") != std::string_view::npos;
  return secret ? "(hidden)" : value;
}

}  // namespace

std::vector<std::string> setting_names() {
  std::vector<std::string> names;
  for (const auto& setting : settings()) {
    names.emplace_back(setting.name);
  }
  return names;
}

std::map<std::string, std::string> process_environment() {
  std::map<std::string, std::string> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view line{*entry};
    const auto equals = line.find('=');
    if (equals != std::string_view::npos) {
      variables.emplace(line.substr(0, equals), line.substr(equals + 1));
    }
  }
  return variables;
}

std::map<std::string, std::string> read_dotenv(const std::filesystem::path& file) {
  std::map<std::string, std::string> variables;
  std::ifstream in{file};
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    std::string_view rest{line};
    const auto strip = [](std::string_view text) {
      const auto first = text.find_first_not_of(" \t\r");
      const auto last = text.find_last_not_of(" \t\r");
      return first == std::string_view::npos ? std::string_view{}
                                             : text.substr(first, last - first + 1);
    };
    rest = strip(rest);
    if (rest.empty() || rest.starts_with('#')) {
      continue;
    }
    if (rest.starts_with("export ")) {
      rest = strip(rest.substr(7));
    }
    const auto equals = rest.find('=');
    if (equals == std::string_view::npos || equals == 0) {
      throw ConfigError(fmt::format("{}:{}: expected NAME=VALUE", file.string(), number));
    }
    std::string_view value = strip(rest.substr(equals + 1));
    if (value.size() >= 2 && (value.front() == '"' || value.front() == '\'') &&
        value.back() == value.front()) {
      value = value.substr(1, value.size() - 2);
    }
    variables[std::string{strip(rest.substr(0, equals))}] = value;
  }
  return variables;
}

Config load_config(const std::map<std::string, std::string>& environment,
                   const std::map<std::string, std::string>& dotenv) {
  Config config;
  std::string problems;
  const auto unknown = [&](const std::string& name, const std::string& value) {
    problems += fmt::format("{}={}: there is no such setting; see .env.example for all of them\n",
                            name, shown(name, value));
  };
  for (const auto& [name, value] : environment) {
    if (name.starts_with("INFERNODE_") && find_setting(name) == nullptr) {
      unknown(name, value);
    }
  }
  for (const auto& [name, value] : dotenv) {
    if (find_setting(name) == nullptr) {
      unknown(name, value);
    }
  }
  for (const auto& setting : settings()) {
    auto found = environment.find(setting.name);
    if (found == environment.end()) {
      found = dotenv.find(setting.name);
      if (found == dotenv.end()) {
        continue;
      }
    }
    if (const auto right = setting.set(config, found->second)) {
      problems += fmt::format("{}={}: should be {}\n", setting.name,
                              shown(setting.name, found->second), *right);
    }
  }
  if (!problems.empty()) {
    problems.pop_back();
    throw ConfigError(problems);
  }
  if (config.keys_dir.empty()) {
    config.keys_dir = config.data_dir / "keys";
  }
  return config;
}

}  // namespace infernode
