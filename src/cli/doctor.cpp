#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "accounts/token_signer.hpp"
#include "app/app.hpp"
#include "cli/commands.hpp"
#include "cli/database.hpp"
#include "core/json.hpp"
#include "db/migrations.hpp"
#include "inference/runner_models.hpp"
#include "runner/box.hpp"

namespace infernode::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t kLeastDiskBytes = 2'000'000'000;

struct Finding {
  std::string name;
  bool good;
  std::string detail;
  std::string mend;  // what to do when it is not good
};

Finding check(const std::string& name, const std::string& mend,
              const std::function<std::string()>& look) {
  try {
    return {name, true, look(), ""};
  } catch (const std::exception& error) {
    return {name, false, error.what(), mend};
  }
}

Finding check_disk(const Config& config) {
  return check("disk", "free some space, or set INFERNODE_DATA_DIR to another disk", [&] {
    fs::path place = fs::absolute(config.data_dir).lexically_normal();
    while (!fs::exists(place)) {
      place = place.parent_path();
    }
    const auto space = fs::space(place);
    if (space.available < kLeastDiskBytes) {
      throw std::runtime_error(
          fmt::format("only {} MB are free in {}", space.available / 1'000'000, place.string()));
    }
    if (access(place.c_str(), W_OK) != 0) {
      throw std::runtime_error(place.string() + " cannot be written");
    }
    return fmt::format("{:.1f} GB free in {}", static_cast<double>(space.available) / 1e9,
                       place.string());
  });
}

void check_database(const Config& config, std::vector<Finding>& findings) {
  std::unique_ptr<Database> database;
  findings.push_back(check("database", "see the message; .env.example explains the settings", [&] {
    if (config.embedded_database()) {
      const auto bin = db::find_postgres(config.postgres_bin_dir);
      if (!bin) {
        throw std::runtime_error("PostgreSQL is not installed: apt-get install postgresql");
      }
      if (!fs::exists(config.data_dir / "postgres" / "PG_VERSION") &&
          !fs::exists(config.data_dir / "postgres.start.lock")) {
        return fmt::format("embedded, not created yet ('infernode serve' does it), programs in {}",
                           bin->string());
      }
    }
    database = std::make_unique<Database>(config);
    with_connection(database->conninfo(),
                    [](db::Connection&) -> asio::awaitable<void> { co_return; });
    return config.embedded_database()
               ? "embedded, in " + database->embedded()->cluster_dir().string()
               : fmt::format("{}:{}", *config.db_host, config.db_port);
  }));
  if (!database || !findings.back().good) {
    return;
  }
  findings.push_back(check("schema", "run 'infernode db:migrate'", [&] {
    with_connection(database->conninfo(), [&](db::Connection& connection) {
      return db::require_current_schema(connection, known_migrations(config, kMigrations));
    });
    return std::string{"current"};
  }));
}

std::vector<Finding> examine(const Config& config) {
  std::vector<Finding> findings;
  findings.push_back(
      {"machine", true,
       fmt::format("{} cores, {:.1f} GB of memory", std::thread::hardware_concurrency(),
                   static_cast<double>(sysconf(_SC_PHYS_PAGES)) *
                       static_cast<double>(sysconf(_SC_PAGESIZE)) / 1e9),
       ""});
  findings.push_back(check_disk(config));
  check_database(config, findings);
  findings.push_back(check("keys", "run 'infernode keys:generate'", [&] {
    if (!has_keys(config.keys_dir) && config.embedded_database()) {
      return std::string{"none yet ('infernode serve' makes one)"};
    }
    TokenSigner signer{load_keys(config.keys_dir, std::chrono::seconds{config.jwt_ttl_seconds})};
    return fmt::format("{} in {}", signer.key_set().at("keys").as_array().size(),
                       config.keys_dir.string());
  }));
  findings.push_back(check("models", "run './run', or set INFERNODE_MODEL_DIR", [&] {
    const auto folder = inference::model_folder(config.model_dir);
    const auto models = inference::load_catalogue(folder);
    if (models.empty()) {
      throw std::runtime_error("none in " + folder.string());
    }
    const auto& first = models.models().front();
    const inference::OnnxSession session{first.file, inference::session_names(first), 1,
                                         inference::Device::automatic};
    return fmt::format("{} in {}, {} on {}; devices: {}", models.models().size(), folder.string(),
                       inference::runtime_version(), session.provider(),
                       fmt::join(inference::usable_devices(), ", "));
  }));
  findings.push_back(
      check("box", "docs/security.md says what each part is for; the rest holds", [] {
        const auto support = runner::box_support();
        std::string missing;
        for (const auto& sentence : runner::missing_in_box(support)) {
          missing += (missing.empty() ? "" : " ") + sentence;
        }
        if (!missing.empty()) {
          throw std::runtime_error(missing);
        }
        return fmt::format("seccomp, Landlock {}, namespaces", support.landlock);
      }));
  findings.push_back(check("energy", "set INFERNODE_GRID_GRAMS_PER_KWH", [&] {
    const auto grid = app::grid_intensity(config);
    const bool counters = std::ifstream{"/sys/class/powercap/intel-rapl:0/energy_uj"}.good();
    return fmt::format("{}, {} g/kWh ({})",
                       counters ? std::string{"measured (RAPL)"}
                                : fmt::format("estimated at {} W a core", config.watts_per_core),
                       grid.grams_per_kwh, grid.source);
  }));
  return findings;
}

int report(bool as_json) {
  std::vector<Finding> findings;
  try {
    const Config config = load_settings();
    findings = examine(config);
  } catch (const ConfigError& error) {
    findings.push_back({"settings", false, error.what(), "mend these settings first"});
  }
  int bad = 0;
  boost::json::array items;
  for (const auto& finding : findings) {
    bad += finding.good ? 0 : 1;
    items.push_back(boost::json::object{{"check", finding.name},
                                        {"ok", finding.good},
                                        {"detail", finding.detail},
                                        {"mend", finding.mend}});
    if (!as_json) {
      std::printf("[%s] %-9s %s\n", finding.good ? "ok" : "!!", finding.name.c_str(),
                  finding.detail.c_str());
      if (!finding.good) {
        std::printf("               -> %s\n", finding.mend.c_str());
      }
    }
  }
  if (as_json) {
    std::printf("%s\n", json_text(items).c_str());
  }
  return bad == 0 ? 0 : 1;
}

}  // namespace

void add_doctor_command(CLI::App& app, int& status) {
  auto* command =
      add_command(app, "doctor",
                  "Check machine, disk, database, schema, keys, models, and say how to mend them");
  auto as_json = std::make_shared<bool>(false);
  command->add_flag("--json", *as_json, "For programs");
  command->callback([&status, as_json] { status = report(*as_json); });
}

}  // namespace infernode::cli
