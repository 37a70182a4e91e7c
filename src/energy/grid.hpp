#pragma once

#include <optional>
#include <string>

namespace infernode::energy {

// How much CO2e a kilowatt-hour of a grid stands for, and where the figure is from.
struct GridIntensity {
  double grams_per_kwh = 0;
  std::string source;  // "Our World in Data, 2023, DEU"
};

// The built-in figure for a country (ISO 3166-1 alpha-3) or "WORLD"; nullopt when there is none.
std::optional<GridIntensity> built_in_intensity(const std::string& country);

// Grams of CO2e of `joules` at that intensity: joules / 3.6e6 (kWh) * grams_per_kwh.
double grams_of(double joules, const GridIntensity& grid);

}  // namespace infernode::energy
