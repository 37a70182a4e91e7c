#include "energy/meter.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

namespace infernode::energy {
namespace {

namespace fs = std::filesystem;

std::optional<std::uint64_t> read_number(const fs::path& file) {
  std::ifstream in{file};
  std::uint64_t number = 0;
  return in >> number ? std::optional{number} : std::nullopt;
}

// CPU seconds that all processes of the machine have used since it started (/proc/stat).
double machine_cpu_seconds() {
  std::ifstream in{"/proc/stat"};
  std::string label;
  double user = 0;
  double nice = 0;
  double system = 0;
  in >> label >> user >> nice >> system;
  return (user + nice + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

}  // namespace

Meter::Meter(double watts_per_core, std::shared_ptr<const GraphicsCards> cards,
             const fs::path& powercap)
    : watts_per_core_{watts_per_core}, cards_{std::move(cards)} {
  if (cards_) {
    card_joules_ = cards_->joules();
  }
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(powercap, error)) {
    // intel-rapl:0 is a package; intel-rapl:0:0 a part of it, which would be counted twice.
    const std::string name = entry.path().filename();
    if (!name.starts_with("intel-rapl:") || std::count(name.begin(), name.end(), ':') != 1) {
      continue;
    }
    const auto start = read_number(entry.path() / "energy_uj");
    const auto range = read_number(entry.path() / "max_energy_range_uj");
    if (start && range) {
      counters_.push_back(Counter{entry.path() / "energy_uj", *start, *range});
    }
  }
  machine_cpu_seconds_ = machine_cpu_seconds();
}

Energy Meter::read(double cpu_seconds, const std::string& provider) const {
  auto energy = read_processor(cpu_seconds);
  if (provider == "cpu") {
    return energy;
  }
  const auto now = card_joules_ ? cards_->joules() : std::nullopt;
  // Less than before: the driver was loaded anew.
  if (now && *now >= *card_joules_) {
    energy.joules += *now - *card_joules_;
    energy.method += " + nvml";
  } else {
    energy.method += " (without " + provider + ")";
  }
  return energy;
}

Energy Meter::read_processor(double cpu_seconds) const {
  double joules = 0;
  bool complete = !counters_.empty();
  for (const auto& counter : counters_) {
    const auto now = read_number(counter.file);
    if (!now) {
      complete = false;
      break;
    }
    const std::uint64_t used = *now >= counter.start_microjoules
                                   ? *now - counter.start_microjoules
                                   : *now + counter.range_microjoules - counter.start_microjoules;
    joules += static_cast<double>(used) / 1e6;
  }
  if (complete) {
    const double all = std::max(machine_cpu_seconds() - machine_cpu_seconds_, cpu_seconds);
    return {all > 0 ? joules * cpu_seconds / all : 0, "rapl"};
  }
  return {cpu_seconds * watts_per_core_, fmt::format("cpu_time_x_{}_w", watts_per_core_)};
}

}  // namespace infernode::energy
