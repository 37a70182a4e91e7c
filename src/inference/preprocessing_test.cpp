// Goal: a model is given the numbers that it was trained on.
// Method: small pictures, values by hand.
#include "inference/preprocessing.hpp"

#include <gtest/gtest.h>

namespace infernode::inference {
namespace {

ModelInput sized(int width, int height) {
  ModelInput input;
  input.width = width;
  input.height = height;
  return input;
}

TEST(Placing, StretchesOrLetterboxes) {
  ModelInput input = sized(640, 640);
  EXPECT_EQ(place(input, 1280, 720), (Placement{640, 640, 0, 0, 640, 640, 1280, 720}));
  input.fit = Fit::letterbox;
  EXPECT_EQ(place(input, 1280, 720), (Placement{640, 640, 0, 140, 640, 360, 1280, 720}));
  EXPECT_EQ(place(input, 720, 1280), (Placement{640, 640, 140, 0, 360, 640, 720, 1280}));
  input.fit = Fit::letterbox_top_left;
  EXPECT_EQ(place(input, 1280, 720), (Placement{640, 640, 0, 0, 640, 360, 1280, 720}));
  EXPECT_EQ(place(input, 8000, 1).height, 1);
}

TEST(Placing, CropsTheMiddle) {
  ModelInput input = sized(224, 224);
  input.fit = Fit::crop;
  EXPECT_EQ(place(input, 448, 224), (Placement{224, 224, -112, 0, 448, 224, 448, 224}));
  input.crop_share = 0.875;  // of 256 pixels 224
  EXPECT_EQ(place(input, 512, 256), (Placement{224, 224, -144, -16, 512, 256, 512, 256}));
  // A strip is not made a picture of a million pixels' width, nor is a little of a large one.
  const auto strip = place(input, 8000, 1);
  EXPECT_LE(strip.width * strip.height, 17 * 224 * 224);
  EXPECT_EQ(strip.height, 10);
  EXPECT_EQ(strip.top, 107);
  input = sized(4096, 4096);
  input.fit = Fit::crop;
  input.crop_share = 0.1;
  const auto large = place(input, 1000, 1000);
  EXPECT_LE(std::int64_t{large.width} * large.height, media::kMaxPixels + 2 * large.width);
}

TEST(Placing, FollowsTheFrame) {
  ModelInput input;
  input.longest_side = 640;
  EXPECT_EQ(place(input, 1280, 720), (Placement{640, 384, 0, 0, 640, 384, 1280, 720}));
  input.fit = Fit::letterbox;
  EXPECT_EQ(place(input, 1280, 720), (Placement{640, 384, 0, 12, 640, 360, 1280, 720}));
  EXPECT_EQ(place(input, 720, 1280), (Placement{384, 640, 12, 0, 360, 640, 720, 1280}));
}

TEST(Tensors, HaveTheOrderAndScaleOfTheManifest) {
  ModelInput input = sized(2, 1);
  const media::Image image{2, 1, {10, 20, 30, 40, 50, 60}};
  InputTensor tensor;
  tensor.placement = place(input, 2, 1);
  fill_tensor(input, image, tensor);
  EXPECT_EQ(tensor.shape, (std::vector<std::int64_t>{1, 3, 1, 2}));
  EXPECT_EQ(tensor.values, (std::vector<float>{10, 40, 20, 50, 30, 60}));
  input.layout = Layout::nhwc;
  input.channels = Channels::bgr;
  input.scale = 0.5;
  input.mean = {1, 2, 3};
  input.deviation = {2, 4, 8};
  fill_tensor(input, image, tensor);
  EXPECT_EQ(tensor.shape, (std::vector<std::int64_t>{1, 1, 2, 3}));
  EXPECT_EQ(tensor.values, (std::vector<float>{7, 2, 0.25F, 14.5F, 5.75F, 2.125F}));
}

TEST(Tensors, ShowTheMiddle) {
  ModelInput input = sized(1, 1);
  input.fit = Fit::crop;
  const media::Image image{3, 1, {10, 20, 30, 40, 50, 60, 70, 80, 90}};
  InputTensor tensor;
  tensor.placement = place(input, 3, 1);
  fill_tensor(input, image, tensor);
  EXPECT_EQ(tensor.values, (std::vector<float>{40, 50, 60}));
}

TEST(Tensors, AreFilledAroundTheFrame) {
  ModelInput input = sized(2, 3);
  input.fit = Fit::letterbox;
  input.fill = 7;
  InputTensor tensor;
  tensor.placement = place(input, 2, 1);
  const media::Image image{2, 1, {10, 20, 30, 40, 50, 60}};
  fill_tensor(input, image, tensor);
  EXPECT_EQ(tensor.values,
            (std::vector<float>{7, 7, 10, 40, 7, 7, 7, 7, 20, 50, 7, 7, 7, 7, 30, 60, 7, 7}));
}

}  // namespace
}  // namespace infernode::inference
