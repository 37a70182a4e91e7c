#include "energy/grid.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string_view>
#include <vector>

#include "core/embedded.hpp"

namespace infernode::energy {
namespace {

constexpr double kJoulesPerKwh = 3.6e6;

// Where the figures are from, and their columns, say the lines that begin with '#'.
constexpr const char* kTable = "src/energy/grid-intensity.tsv";

struct Entry {
  std::string_view country;
  std::string_view grams_per_kwh;
  std::string_view year;
};

// The columns of a line; nothing else in it is needed.
Entry read_entry(std::string_view line) {
  const auto take = [&line] {
    const auto column = line.substr(0, line.find('\t'));
    line.remove_prefix(std::min(line.size(), column.size() + 1));
    return column;
  };
  Entry entry;
  entry.country = take();
  entry.grams_per_kwh = take();
  entry.year = take();
  return entry;
}

std::vector<Entry> read_table() {
  std::vector<Entry> entries;
  std::string_view text = embedded_file(kTable);
  while (!text.empty()) {
    const auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (!line.empty() && line.front() != '#') {
      entries.push_back(read_entry(line));
    }
  }
  return entries;
}

}  // namespace

std::optional<GridIntensity> built_in_intensity(const std::string& country) {
  if (country == "WORLD") {
    return GridIntensity{475, "IEA Global Energy & CO2 Status Report 2019, world average of 2018"};
  }
  for (const auto& entry : read_table()) {
    if (entry.country == country) {
      double grams = 0;
      std::from_chars(entry.grams_per_kwh.data(),
                      entry.grams_per_kwh.data() + entry.grams_per_kwh.size(), grams);
      return GridIntensity{grams, fmt::format("Our World in Data, {}, {}", entry.year, country)};
    }
  }
  return std::nullopt;
}

double grams_of(double joules, const GridIntensity& grid) {
  return joules / kJoulesPerKwh * grid.grams_per_kwh;
}

}  // namespace infernode::energy
