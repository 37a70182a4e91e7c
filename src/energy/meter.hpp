#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "energy/graphics_cards.hpp"

namespace infernode::energy {

struct Energy {
  double joules = 0;
  // "rapl": measured package energy, shared by CPU time; "cpu_time_x_3.5_w": estimated. With
  // " + nvml" the graphics cards' besides, with " (without cuda)" theirs is not known.
  std::string method;
};

// What a piece of work on this machine used, from the moment the meter was made. Where the CPU's
// energy counters (RAPL, Linux powercap) can be read, the work gets the share of the energy that
// its CPU time has in all CPU time used meanwhile; otherwise its CPU seconds times watts_per_core.
class Meter {
public:
  // `cards` may be nullptr. `powercap`: the folder with intel-rapl:N, changed by tests only.
  explicit Meter(double watts_per_core, std::shared_ptr<const GraphicsCards> cards = nullptr,
                 const std::filesystem::path& powercap = "/sys/class/powercap");
  // `cpu_seconds` of the work itself, all its threads together. `provider`: what computed; of
  // "cpu" no card had a part. What the cards drew meanwhile is counted whole.
  Energy read(double cpu_seconds, const std::string& provider = "cpu") const;

private:
  struct Counter {
    std::filesystem::path file;
    std::uint64_t start_microjoules;
    std::uint64_t range_microjoules;
  };

  Energy read_processor(double cpu_seconds) const;

  double watts_per_core_;
  std::shared_ptr<const GraphicsCards> cards_;
  std::optional<double> card_joules_;
  std::vector<Counter> counters_;
  double machine_cpu_seconds_ = 0;
};

}  // namespace infernode::energy
