// Goal: detections are read, scaled, filtered and drawn rightly, and the real model finds people.
// Method: made-up output rows; one real frame through the real model.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>

#include "energy/grid.hpp"
#include "energy/meter.hpp"
#include "inference/detector.hpp"
#include "inference/drawing.hpp"
#include "media/frame_reader.hpp"
#include "support/file_source.hpp"

#include <filesystem>
#include <fstream>

namespace infernode::inference {
namespace {

Model small_model() {
  Model model;
  model.input_width = 512;
  model.input_height = 512;
  model.output_rows = 4;
  model.labels = {"person", "car"};
  return model;
}

TEST(TopKBoxes, ScalesClipsAndFilters) {
  const std::vector<float> output{10,  20,  30,  60,  0.5F,  0,   // kept, scaled by 2 and 1
                                  -50, -50, 600, 600, 0.9F,  1,   // clipped to the frame
                                  0,   0,   10,  10,  0.29F, 0,   // not sure enough
                                  40,  40,  40,  50,  0.8F,  0};  // no area
  const auto found = decode_top_k_boxes(output, small_model(), 1024, 512, 0.3, {});
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].class_id, 1);  // the best first
  EXPECT_DOUBLE_EQ(found[0].width, 1024);
  EXPECT_DOUBLE_EQ(found[0].height, 512);
  EXPECT_DOUBLE_EQ(found[1].x, 20);
  EXPECT_DOUBLE_EQ(found[1].y, 20);
  EXPECT_DOUBLE_EQ(found[1].width, 40);
  EXPECT_DOUBLE_EQ(found[1].height, 40);
  EXPECT_EQ(decode_top_k_boxes(output, small_model(), 1024, 512, 0.3, {0}).size(), 1U);
}

TEST(TopKBoxes, SurvivesNonsense) {
  const float nan = std::nanf("");
  const float infinity = HUGE_VALF;
  const std::vector<float> output{nan,  nan, nan,       nan,       nan,      nan,      0,  0,
                                  10,   10,  0.9F,      7,         0,        0,        10, 10,
                                  0.9F, -1,  -infinity, -infinity, infinity, infinity, 1,  nan};
  EXPECT_TRUE(decode_top_k_boxes(output, small_model(), 100, 100, 0, {}).empty());
  EXPECT_THROW(decode_top_k_boxes({1, 2, 3}, small_model(), 100, 100, 0, {}), std::runtime_error);
}

TEST(Drawing, StaysInsideTheImage) {
  for (const auto& [width, height] : {std::pair{8, 8}, std::pair{768, 576}, std::pair{60, 2000}}) {
    media::Image image{width, height,
                       std::vector<std::uint8_t>(static_cast<std::size_t>(width * height * 3), 0)};
    const double w = width;
    const double h = height;
    draw_detections(image, {{0, 0.9, 0, 0, w, h}, {1, 0.4, w - 1, h - 1, 1, 1}}, {"person", "car"});
    EXPECT_TRUE(
        std::any_of(image.pixels.begin(), image.pixels.end(), [](auto p) { return p != 0; }));
  }
}

TEST(Detector, FindsPeopleInARealFrameTheSameEveryTime) {
  const auto models = load_catalogue(INFERNODE_MODELS);
  ASSERT_FALSE(models.empty());
  const Detector detector{models.front(), 1, Device::cpu};
  test::MemorySource source{test::read_file(INFERNODE_SOURCE_DIR "/examples/street.mp4")};
  media::FrameReader reader{source, std::nullopt};
  const auto frame = reader.next();
  ASSERT_TRUE(frame);
  Detector::Scratch scratch;
  const auto first = detector.detect(*frame->picture, 0.3, {}, scratch);
  const auto people = std::count_if(first.begin(), first.end(),
                                    [](const Detection& found) { return found.class_id == 0; });
  EXPECT_GE(people, 4);
  const auto again = detector.detect(*frame->picture, 0.3, {}, scratch);
  ASSERT_EQ(first.size(), again.size());
  for (std::size_t i = 0; i < first.size(); ++i) {
    EXPECT_EQ(first[i].confidence, again[i].confidence);
    EXPECT_EQ(first[i].x, again[i].x);
  }
}

TEST(Catalogue, NamesTheManifestThatIsNotSound) {
  const auto folder =
      std::filesystem::temp_directory_path() / ("infernode-models-" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  std::ofstream{folder / "bad.json"} << "{";
  try {
    load_catalogue(folder);
    ADD_FAILURE() << "accepted";
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string{error.what()}.find("bad.json"), std::string::npos);
  }
  std::filesystem::remove_all(folder);
  EXPECT_TRUE(load_catalogue(folder).empty());
}

}  // namespace
}  // namespace infernode::inference

namespace infernode::energy {
namespace {

TEST(Grid, TurnsJoulesIntoGrams) {
  // One kilowatt-hour at 365.477 g/kWh.
  EXPECT_DOUBLE_EQ(grams_of(3.6e6, *built_in_intensity("DEU")), 365.477);
  EXPECT_EQ(built_in_intensity("WORLD")->grams_per_kwh, 475);
  EXPECT_FALSE(built_in_intensity("XXX"));
}

TEST(Meter, EstimatesWithoutCountersAndSaysSo) {
  const Meter meter{3.5, "/nonexistent"};
  const Energy energy = meter.read(2);
  EXPECT_DOUBLE_EQ(energy.joules, 7);
  EXPECT_EQ(energy.method, "cpu_time_x_3.5_w");
}

TEST(Meter, SharesMeasuredEnergyByCpuTime) {
  const auto folder =
      std::filesystem::temp_directory_path() / ("infernode-rapl-" + std::to_string(getpid()));
  const auto package = folder / "intel-rapl:0";
  std::filesystem::create_directories(package);
  std::filesystem::create_directories(folder / "intel-rapl:0:0");
  std::ofstream{package / "max_energy_range_uj"} << 10'000'000;
  std::ofstream{package / "energy_uj"} << 9'000'000;
  const Meter meter{3.5, folder};
  std::ofstream{package / "energy_uj"} << 1'000'000;  // the counter has wrapped: 2 J were used
  // The work used more CPU time than the whole machine was seen to use: all of it is its own.
  const Energy energy = meter.read(1e6);
  EXPECT_DOUBLE_EQ(energy.joules, 2);
  EXPECT_EQ(energy.method, "rapl");
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace infernode::energy
