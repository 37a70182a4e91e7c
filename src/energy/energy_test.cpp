// Goal: joules and grams say what was used, and how that is known.
// Method: worked examples; a made-up powercap folder.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/embedded.hpp"
#include "energy/grid.hpp"
#include "energy/meter.hpp"

namespace infernode::energy {
namespace {

TEST(Grid, TurnsJoulesIntoGrams) {
  // One kilowatt-hour.
  EXPECT_DOUBLE_EQ(grams_of(3.6e6, *built_in_intensity("DEU")), 380.95);
  EXPECT_EQ(built_in_intensity("WORLD")->grams_per_kwh, 475);
  EXPECT_FALSE(built_in_intensity("XXX"));
}

TEST(Grid, KnowsEveryCountryOfItsTableWithItsYear) {
  EXPECT_EQ(built_in_intensity("DEU")->source, "Our World in Data, 2023, DEU");
  EXPECT_EQ(built_in_intensity("ZWE")->source, "Our World in Data, 2022, ZWE");
  EXPECT_EQ(built_in_intensity("ZWE")->grams_per_kwh, 297.872);
  for (const char* none : {"", "#", "DE", "deu", "country"}) {
    EXPECT_FALSE(built_in_intensity(none)) << none;
  }
  std::istringstream table{std::string{embedded_file("src/energy/grid-intensity.tsv")}};
  int countries = 0;
  for (std::string line; std::getline(table, line);) {
    if (!line.starts_with("#")) {
      const auto known = built_in_intensity(line.substr(0, 3));
      ASSERT_TRUE(known) << line;
      EXPECT_GT(known->grams_per_kwh, 0) << line;
      EXPECT_LT(known->grams_per_kwh, 1500) << line;
      ++countries;
    }
  }
  EXPECT_EQ(countries, 212);
}

TEST(Meter, EstimatesWithoutCountersAndSaysSo) {
  const Meter meter{3.5, nullptr, "/nonexistent"};
  const Energy energy = meter.read(2);
  EXPECT_DOUBLE_EQ(energy.joules, 7);
  EXPECT_EQ(energy.method, "cpu_time_x_3.5_w");
}

TEST(Meter, AddsWhatGraphicsCardsDraw) {
  const auto cards = std::make_shared<const GraphicsCards>(INFERNODE_TWO_CARDS);
  const Meter meter{3.5, cards, "/nonexistent"};
  const Energy on_cards = meter.read(2, "cuda");
  EXPECT_DOUBLE_EQ(on_cards.joules, 7 + 1.5);
  EXPECT_EQ(on_cards.method, "cpu_time_x_3.5_w + nvml");
  EXPECT_DOUBLE_EQ(meter.read(2).joules, 7);
  for (const char* library : {"libnvidia-ml-missing.so.1", "libc.so.6"}) {
    const Meter none{3.5, std::make_shared<const GraphicsCards>(library), "/nonexistent"};
    EXPECT_DOUBLE_EQ(none.read(2, "cuda").joules, 7);
    EXPECT_EQ(none.read(2, "cuda").method, "cpu_time_x_3.5_w (without cuda)");
  }
}

TEST(Meter, SharesMeasuredEnergyByCpuTime) {
  const auto folder =
      std::filesystem::temp_directory_path() / ("infernode-rapl-" + std::to_string(getpid()));
  const auto package = folder / "intel-rapl:0";
  std::filesystem::create_directories(package);
  std::filesystem::create_directories(folder / "intel-rapl:0:0");
  std::ofstream{package / "max_energy_range_uj"} << 10'000'000;
  std::ofstream{package / "energy_uj"} << 9'000'000;
  const Meter meter{3.5, nullptr, folder};
  std::ofstream{package / "energy_uj"} << 1'000'000;  // the counter has wrapped: 2 J were used
  // The work used more CPU time than the whole machine was seen to use: all of it is its own.
  const Energy energy = meter.read(1e6);
  EXPECT_DOUBLE_EQ(energy.joules, 2);
  EXPECT_EQ(energy.method, "rapl");
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace infernode::energy
