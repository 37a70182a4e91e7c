// Goal: boxes are read, scaled and filtered rightly, whatever the model says.
// Method: made-up output rows.
#include <gtest/gtest.h>

#include <cmath>

#include "inference/decoders/boxes.hpp"

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

}  // namespace
}  // namespace infernode::inference
