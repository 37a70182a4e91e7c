// Goal: maps of text, directions and lines are read as PaddleOCR reads them. Method: tensors whose
// regions and characters are known, and what is no such tensor.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "inference/decoders/boxes.hpp"
#include "inference/decoders/text_line.hpp"

namespace infernode::inference {
namespace {

Decoder regions() {
  Decoder decoder;
  decoder.kind = DecoderKind::text_regions;
  return decoder;
}

Tensor map_of(int side) {
  return {{1, 1, side, side}, std::vector<float>(static_cast<std::size_t>(side) * side, 0.05F)};
}

std::vector<Candidate> places(const Tensor& map, int side, double confidence = 0.5) {
  const Decoder decoder = regions();
  return decode_text_regions({map}, {decoder, 1, 0, side, side, confidence});
}

TEST(TextRegions, GrowByAreaOverCircumference) {
  auto map = map_of(64);
  for (int y = 20; y <= 29; ++y) {
    for (int x = 10; x <= 39; ++x) {
      map.values[static_cast<std::size_t>(y) * 64 + x] = 0.9F;
    }
  }
  map.values[63] = 1;  // a dot is no text
  const auto found = places(map, 64);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_NEAR(found[0].score, 0.9, 1e-6);
  // From pixel to pixel it is 29 wide and 9 high.
  const double by = 29 * 9 * 1.5 / (2 * (29 + 9));
  const std::vector<std::pair<double, double>> corners{
      {10 - by, 20 - by}, {39 + by, 20 - by}, {39 + by, 29 + by}, {10 - by, 29 + by}};
  ASSERT_EQ(found[0].keypoints.size(), 4U);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_NEAR(found[0].keypoints[i].x, corners[i].first, 0.01) << i;
    EXPECT_NEAR(found[0].keypoints[i].y, corners[i].second, 0.01) << i;
  }
  EXPECT_NEAR(found[0].left, 10 - by, 0.01);
  EXPECT_NEAR(found[0].bottom, 29 + by, 0.01);
  EXPECT_TRUE(places(map, 64, 0.95).empty());
}

// A band that falls by one in two pixels.
TEST(TextRegions, LieAsTheTextDoes) {
  auto map = map_of(128);
  for (int x = 20; x < 100; ++x) {
    for (int y = 20 + x / 2; y < 32 + x / 2; ++y) {
      map.values[static_cast<std::size_t>(y) * 128 + x] = 0.8F;
    }
  }
  const auto found = places(map, 128);
  ASSERT_EQ(found.size(), 1U);
  const auto& first = found[0].keypoints[0];
  const auto& second = found[0].keypoints[1];
  EXPECT_NEAR((second.y - first.y) / (second.x - first.x), 0.5, 0.05);
  EXPECT_GT(found[0].score, 0.6);
}

// Thousands of specks take no line's place.
TEST(TextRegions, AreFoundAmongSpecks) {
  auto map = map_of(512);
  for (std::size_t y = 0; y < 480; y += 3) {
    for (std::size_t x = 0; x < 512; x += 3) {
      map.values[y * 512 + x] = 0.9F;
    }
  }
  for (const std::size_t top : {2U, 490U}) {
    for (std::size_t y = top; y < top + 10; ++y) {
      for (std::size_t x = 100; x < 300; ++x) {
        map.values[y * 512 + x] = 0.9F;
      }
    }
  }
  EXPECT_EQ(places(map, 512).size(), 2U);
}

TEST(TextRegions, AreNotMadeOfNonsense) {
  auto map = map_of(64);
  EXPECT_TRUE(places(map, 64).empty());
  std::fill(map.values.begin(), map.values.end(), std::numeric_limits<float>::quiet_NaN());
  EXPECT_TRUE(places(map, 64).empty());
  std::fill(map.values.begin(), map.values.end(), std::numeric_limits<float>::infinity());
  for (const auto& found : places(map, 64)) {
    EXPECT_TRUE(std::isfinite(found.left) && std::isfinite(found.right));
  }
  // Of many specks it looks at some.
  auto specks = map_of(1024);
  for (std::size_t y = 0; y < 1024; ++y) {
    for (std::size_t x = 0; x < 1024; ++x) {
      specks.values[y * 1024 + x] = x % 8 < 5 && y % 8 < 5 ? 0.9F : 0;
    }
  }
  EXPECT_LE(places(specks, 1024).size(), 1000U);
  EXPECT_THROW(places(map_of(32), 64), std::runtime_error);
}

Tensor steps(const std::vector<std::vector<float>>& rows) {
  Tensor tensor{
      {1, static_cast<std::int64_t>(rows.size()), static_cast<std::int64_t>(rows[0].size())}, {}};
  for (const auto& row : rows) {
    tensor.values.insert(tensor.values.end(), row.begin(), row.end());
  }
  return tensor;
}

TEST(TextLine, JoinsWhatIsRepeatedAndLeavesOutBlanks) {
  const std::vector<std::string> alphabet{"a", "\xc3\xa9"};
  const auto line = decode_text_line(steps({{0.1F, 0.9F, 0},
                                            {0.2F, 0.8F, 0},  // the same a
                                            {1, 0, 0},
                                            {0.3F, 0.7F, 0},  // another one
                                            {0.4F, 0, 0.6F},
                                            {1, 0, 0}}),
                                     alphabet);
  EXPECT_EQ(line.text, "aa\xc3\xa9");
  EXPECT_NEAR(line.confidence, (0.9 + 0.7 + 0.6) / 3, 1e-6);
  const auto nothing = decode_text_line(steps({{1, 0, 0}, {1, 0, 0}}), alphabet);
  EXPECT_EQ(nothing.text, "");
  EXPECT_EQ(nothing.confidence, 0);
  EXPECT_THROW(decode_text_line(steps({{1, 0}}), alphabet), std::runtime_error);
}

TEST(TextDirection, IsTheSecondProbability) {
  EXPECT_NEAR(decode_text_direction({{1, 2}, {0.2F, 0.8F}}), 0.8, 1e-6);
  EXPECT_EQ(decode_text_direction({{1, 2}, {0, std::numeric_limits<float>::quiet_NaN()}}), 0);
  EXPECT_THROW(decode_text_direction({{1, 3}, {0.2F, 0.3F, 0.5F}}), std::runtime_error);
}

}  // namespace
}  // namespace infernode::inference
