#include "energy/grid.hpp"

#include <array>
#include <string_view>

namespace infernode::energy {
namespace {

constexpr double kJoulesPerKwh = 3.6e6;

struct Entry {
  std::string_view country;
  double grams_per_kwh;
};

// Our World in Data (Ember, Energy Institute), carbon intensity of electricity, year 2021, as
// republished by CodeCarbon. docs/energy.md says how to refresh it.
constexpr std::array kIntensities2021 = {
    Entry{"AUS", 531.247}, Entry{"AUT", 147.573}, Entry{"BEL", 156.922}, Entry{"BGD", 555.914},
    Entry{"BGR", 354.334}, Entry{"BRA", 158.592}, Entry{"CAN", 128.461}, Entry{"CHE", 47.101},
    Entry{"CHL", 416.881}, Entry{"CHN", 544.355}, Entry{"COL", 181.065}, Entry{"CZE", 405.589},
    Entry{"DEU", 365.477}, Entry{"DNK", 221.416}, Entry{"EGY", 464.425}, Entry{"ESP", 193.863},
    Entry{"EST", 481.224}, Entry{"FIN", 145.541}, Entry{"FRA", 67.39},   Entry{"GBR", 268.329},
    Entry{"GRC", 353.339}, Entry{"HRV", 210.979}, Entry{"HUN", 233.037}, Entry{"IDN", 623.157},
    Entry{"IND", 637.182}, Entry{"IRL", 363.608}, Entry{"ISL", 28.557},  Entry{"ISR", 548.03},
    Entry{"ITA", 340.794}, Entry{"JPN", 478.545}, Entry{"KEN", 86.221},  Entry{"KOR", 458.081}};

}  // namespace

std::optional<GridIntensity> built_in_intensity(const std::string& country) {
  if (country == "WORLD") {
    return GridIntensity{475, "IEA Global Energy & CO2 Status Report 2019, world average of 2018"};
  }
  for (const auto& entry : kIntensities2021) {
    if (entry.country == country) {
      return GridIntensity{entry.grams_per_kwh, "Our World in Data, 2021, " + country};
    }
  }
  return std::nullopt;
}

double grams_of(double joules, const GridIntensity& grid) {
  return joules / kJoulesPerKwh * grid.grams_per_kwh;
}

}  // namespace infernode::energy
