// Goal: each family's outputs are read as its own code writes them, and nothing that a model says
// does harm. Method: tensors made from known boxes by the inverse of each formula, values computed
// by hand, and noise.
#include "inference/decoders/boxes.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <random>

namespace infernode::inference {
namespace {

Model model_of(DecoderKind kind, int size = 64) {
  Model model;
  model.input.width = size;
  model.input.height = size;
  model.decoder.kind = kind;
  model.labels = {"person", "car", "dog"};
  return model;
}

Tensor tensor(std::vector<std::int64_t> shape, float value = 0) {
  const auto count =
      std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies{});
  return {std::move(shape), std::vector<float>(static_cast<std::size_t>(count), value)};
}

// Boxes in a frame of the input's own size.
std::vector<Detection> found_in(const Model& model, const std::vector<Tensor>& outputs,
                                double confidence = 0.3) {
  return find_boxes(outputs, model, place(model.input, model.input.width, model.input.height),
                    confidence, {});
}

void expect_box(const Detection& found, const Detection& expected) {
  EXPECT_EQ(found.class_id, expected.class_id);
  EXPECT_NEAR(found.confidence, expected.confidence, 1e-3);
  EXPECT_NEAR(found.x, expected.x, 0.02);
  EXPECT_NEAR(found.y, expected.y, 0.02);
  EXPECT_NEAR(found.width, expected.width, 0.02);
  EXPECT_NEAR(found.height, expected.height, 0.02);
}

float logit(double probability) {
  return static_cast<float>(std::log(probability / (1 - probability)));
}

TEST(FindBoxes, ClassifiesTheWholeFrame) {
  auto model = model_of(DecoderKind::class_scores);
  model.decoder.scores = Scores::softmax;
  const auto e = [](double probability) { return static_cast<float>(std::log(probability) + 5); };
  const auto found = found_in(model, {{{1, 3}, {e(0.15), e(0.25), e(0.6)}}}, 0.2);
  ASSERT_EQ(found.size(), 2U);
  expect_box(found[0], {2, 0.6, 0, 0, 64, 64});
  expect_box(found[1], {1, 0.25, 0, 0, 64, 64});
  model.suppression.most = 1;
  EXPECT_EQ(found_in(model, {{{1, 3}, {e(0.15), e(0.25), e(0.6)}}}, 0.2).size(), 1U);
  model.decoder.background = true;
  const auto other = found_in(model, {{{1, 4, 1, 1}, {e(0.5), e(0.1), e(0.1), e(0.3)}}}, 0.2);
  ASSERT_EQ(other.size(), 1U);
  EXPECT_EQ(other[0].class_id, 2);
  EXPECT_THROW(found_in(model, {{{1, 3}, {0, 0, 0}}}), std::runtime_error);
}

TEST(FindBoxes, ScalesClipsAndFilters) {
  auto model = model_of(DecoderKind::top_k_boxes, 512);
  const Tensor output{{1, 4, 6}, {10,  20,  30,  60,  0.5F,  0,    // kept, scaled by 2 and 1
                                  -50, -50, 600, 600, 0.9F,  1,    // clipped to the frame
                                  0,   0,   10,  10,  0.29F, 0,    // not sure enough
                                  40,  40,  40,  50,  0.8F,  0}};  // no area
  const auto placement = place(model.input, 1024, 512);
  const auto found = find_boxes({output}, model, placement, 0.3, {});
  ASSERT_EQ(found.size(), 2U);
  expect_box(found[0], {1, 0.9, 0, 0, 1024, 512});  // the best first
  expect_box(found[1], {0, 0.5, 20, 20, 40, 40});
  EXPECT_EQ(find_boxes({output}, model, placement, 0.3, {0}).size(), 1U);
}

TEST(FindBoxes, UndoesTheLetterbox) {
  auto model = model_of(DecoderKind::top_k_boxes, 64);
  const Tensor output{{1, 1, 6}, {10, 16, 20, 32, 0.5F, 0}};
  model.input.fit = Fit::letterbox;  // 128 x 64 lies in rows 16 to 48
  expect_box(find_boxes({output}, model, place(model.input, 128, 64), 0, {}).at(0),
             {0, 0.5, 20, 0, 20, 32});
  model.input.fit = Fit::letterbox_top_left;
  expect_box(find_boxes({output}, model, place(model.input, 128, 64), 0, {}).at(0),
             {0, 0.5, 20, 32, 20, 32});
}

// Two levels of an input of 32 pixels: 2 x 2 cells with two anchors each, one cell with three.
TEST(BlazeFace, ReadsBoxesAndKeypointsOfAllLevels) {
  auto model = model_of(DecoderKind::blazeface, 32);
  model.labels = {"face"};
  model.keypoints = {"eye", "nose"};
  model.decoder.scores = Scores::sigmoid;
  model.decoder.strides = {16, 32};
  model.decoder.per_cell = {2, 3};
  model.suppression.kind = SuppressionKind::blend;
  model.suppression.iou = 0.5;
  std::vector<Tensor> outputs{tensor({1, 8, 1}, -20), tensor({1, 3, 1}, -20), tensor({1, 8, 8}),
                              tensor({1, 3, 8})};
  // The cell right below, both anchors: its middle is 24, 24. Equal scores: the mean of both.
  const auto put = [&](std::size_t output, std::size_t row, double score,
                       const std::vector<float>& box) {
    outputs[output].values[row] = logit(score);
    std::copy(box.begin(), box.end(), outputs[output + 2].values.begin() + row * 8);
  };
  put(0, 6, 0.6, {-4, -2, 10, 12, 1, 2, -3, 4});
  put(0, 7, 0.6, {-2, -2, 10, 12, 3, 2, -3, 6});
  // The second of the coarse level's only cell, whose middle is 16, 16.
  put(1, 1, 0.9, {-10, -11, 8, 6, 0, 0, 1, 1});
  const auto found = found_in(model, outputs, 0.5);
  ASSERT_EQ(found.size(), 2U);
  expect_box(found[0], {0, 0.9, 2, 2, 8, 6});
  EXPECT_EQ(found[0].keypoints.at(1).y, 17);
  expect_box(found[1], {0, 0.6, 16, 16, 10, 12});
  EXPECT_EQ(found[1].keypoints.at(0).x, 26);
  EXPECT_EQ(found[1].keypoints.at(1).y, 29);
  EXPECT_FALSE(found[1].keypoints.at(0).confidence);
  // The same with all levels in one.
  const auto joined = [](const Tensor& first, const Tensor& second) {
    Tensor both{{1, first.shape[1] + second.shape[1], first.shape[2]}, first.values};
    both.values.insert(both.values.end(), second.values.begin(), second.values.end());
    return both;
  };
  const auto again =
      found_in(model, {joined(outputs[0], outputs[1]), joined(outputs[2], outputs[3])}, 0.5);
  ASSERT_EQ(again.size(), 2U);
  EXPECT_EQ(again[1].x, found[1].x);
  outputs[3] = tensor({1, 4, 8});
  EXPECT_THROW(found_in(model, outputs), std::runtime_error);
}

// The third keypoint is not seen: it counts in the score, and not in the box.
TEST(Keypoints, HaveABoxAroundWhatIsSeen) {
  auto model = model_of(DecoderKind::keypoints);
  model.keypoints = {"nose", "hip", "knee"};
  model.decoder.box = BoxOrder::yxyx;
  model.decoder.normalised = true;
  const Tensor output{{1, 1, 3, 3}, {0.125F, 0.25F, 0.9F, 0.75F, 0.5F, 0.6F, 1.5F, -1, 0.15F}};
  const auto found = found_in(model, {output});
  ASSERT_EQ(found.size(), 1U);
  expect_box(found[0], {0, 0.55, 16, 8, 16, 40});
  EXPECT_EQ(found[0].keypoints.at(1).x, 32);
  EXPECT_EQ(found[0].keypoints.at(1).y, 48);
  EXPECT_EQ(found[0].keypoints.at(1).confidence, 0.6);
  EXPECT_EQ(found[0].keypoints.at(2).x, -64);
  EXPECT_TRUE(found_in(model, {output}, 0.56).empty());
  // In pixels, x first, of two.
  model.decoder = {};
  model.decoder.kind = DecoderKind::keypoints;
  const Tensor pixels{{1, 2, 3, 3},
                      {5, 5, 1, 9, 9, 1, 7, 7, 1, 20, 30, 0.5F, 40, 50, 0.5F, 30, 60, 0.5F}};
  const auto two = found_in(model, {pixels});
  ASSERT_EQ(two.size(), 2U);
  expect_box(two[0], {0, 1, 5, 5, 4, 4});
  expect_box(two[1], {0, 0.5, 20, 30, 20, 30});
}

// MoveNet MultiPose: behind the keypoints top, left, bottom, right and the score.
TEST(Keypoints, MayComeWithABox) {
  auto model = model_of(DecoderKind::keypoints);
  model.keypoints = {"nose", "hip"};
  model.decoder.box = BoxOrder::yxyx;
  model.decoder.normalised = true;
  const auto nan = std::numeric_limits<float>::quiet_NaN();
  const Tensor output{{1, 3, 11},
                      {0.25F, 0.5F, 0.1F, 0.5F, 0.5F, 0.2F, 0.125F, 0.25F, 0.75F, 0.5F, 0.8F,
                       0.25F, 0.5F, 0.9F, 0.5F, 0.5F, 0.9F, 0.125F, 0.25F, 0.75F, 0.5F, 0.2F,
                       nan,   0.5F, 0.9F, 0.5F, 0.5F, 0.9F, 0.125F, 0.25F, 0.75F, 0.5F, 0.9F}};
  const auto found = found_in(model, {output});
  ASSERT_EQ(found.size(), 2U);
  expect_box(found[1], {0, 0.8, 16, 8, 16, 40});
  EXPECT_EQ(found[1].keypoints.at(0).x, 32);
  EXPECT_EQ(found[1].keypoints.at(0).y, 16);
  EXPECT_EQ(found[1].keypoints.at(1).confidence, 0.2);
  // A point that is no number leaves the box where it is.
  expect_box(found[0], {0, 0.9, 16, 8, 16, 40});
  EXPECT_EQ(found[0].keypoints.at(0).confidence, 0);
  EXPECT_EQ(found[0].keypoints.at(0).y, 28);
  EXPECT_THROW(found_in(model, {tensor({1, 3, 12})}), UnfitModel);
}

TEST(TopKBoxes, ReadsColumnsInAnyOrderAndKeypoints) {
  auto model = model_of(DecoderKind::top_k_boxes);
  // YOLOv7 "end to end": batch, corners, class, score.
  model.decoder.columns = {Column::other, Column::x1,           Column::y1,   Column::x2,
                           Column::y2,    Column::class_number, Column::score};
  const auto found = found_in(model, {{{2, 7},
                                       {0, 10, 12, 20, 32, 2, 0.75F,  //
                                        0, 10, 12, 20, 32, 1, 0.2F}}});
  ASSERT_EQ(found.size(), 1U);
  expect_box(found[0], {2, 0.75, 10, 12, 10, 20});
  model.decoder.columns = Decoder{}.columns;
  model.keypoints = {"nose"};
  const auto pointed = found_in(model, {{{1, 1, 9}, {10, 12, 20, 32, 0.75F, 0, 15, 16, 0.5F}}});
  ASSERT_EQ(pointed.size(), 1U);
  EXPECT_EQ(pointed[0].keypoints.at(0).x, 15);
  EXPECT_EQ(pointed[0].keypoints.at(0).confidence, 0.5);
  EXPECT_THROW(found_in(model, {tensor({1, 1, 6})}), UnfitModel);
}

TEST(ScoredBoxes, AreReadInBothOrders) {
  auto model = model_of(DecoderKind::scored_boxes);
  const Tensor boxes{{1, 2, 4}, {10, 12, 20, 32, 0, 0, 5, 5}};
  const Tensor rows{{1, 2, 3}, {0.1F, 0.8F, 0.2F, 0.1F, 0, 0}};
  const Tensor columns{{1, 3, 2}, {0.1F, 0.1F, 0.8F, 0, 0.2F, 0}};
  for (const auto& scores : {rows, columns}) {
    const auto found = found_in(model, {boxes, scores});
    ASSERT_EQ(found.size(), 1U);
    expect_box(found[0], {1, 0.8, 10, 12, 10, 20});
  }
  EXPECT_THROW(found_in(model, {boxes, tensor({1, 2, 4})}), UnfitModel);
  EXPECT_THROW(found_in(model, {boxes, tensor({1, 4, 3})}), UnfitModel);
  // SSD of PyTorch's: a background first, shares of the picture.
  model.decoder.background = true;
  model.decoder.normalised = true;
  model.decoder.scores = Scores::softmax;
  const auto l = [](double share) { return static_cast<float>(std::log(share)); };
  const auto found = found_in(model, {{{1, 1, 4}, {0.25F, 0.5F, 0.5F, 1}},
                                      {{1, 1, 4}, {l(0.35), l(0.1), l(0.15), l(0.4)}}});
  ASSERT_EQ(found.size(), 1U);
  expect_box(found[0], {2, 0.4, 16, 32, 16, 32});
}

TEST(LabelledBoxes, AreReadInAnyOrder) {
  auto model = model_of(DecoderKind::labelled_boxes);
  model.decoder.box = BoxOrder::yxyx;
  model.decoder.normalised = true;
  model.decoder.first_class = 1;
  // TensorFlow's post-processing: the third does not count.
  const std::vector<Tensor> outputs{
      {{1, 3, 4}, {0.25F, 0.125F, 0.5F, 0.75F, 0, 0, 1, 1, 0, 0, 1, 1}},
      {{1, 3}, {0.75F, 0.5F, 0.9F}},
      {{1, 3}, {3, 1, 1}},
      {{1}, {2}}};
  const auto found = found_in(model, outputs);
  ASSERT_EQ(found.size(), 2U);
  expect_box(found[0], {2, 0.75, 8, 16, 40, 16});
  expect_box(found[1], {0, 0.5, 0, 0, 64, 64});
  model.decoder = {};
  model.decoder.kind = DecoderKind::labelled_boxes;
  model.decoder.box = BoxOrder::cxcywh;
  const auto others = found_in(model, {{{1, 4}, {32, 20, 10, 8}}, {{1}, {0.5F}}, {{1}, {1}}});
  ASSERT_EQ(others.size(), 1U);
  expect_box(others[0], {1, 0.5, 27, 16, 10, 8});
}

TEST(YoloAnchors, ReadsDecodedRows) {
  const auto found =
      found_in(model_of(DecoderKind::yolo_anchors), {{{1, 2, 8},
                                                      {32, 20, 10, 8, 0.9F, 0.1F, 0.8F, 0.2F,  //
                                                       1, 1, 2, 2, 0.2F, 1, 0, 0}}});
  ASSERT_EQ(found.size(), 1U);
  expect_box(found[0], {1, 0.72, 27, 16, 10, 8});
}

// Both layouts of a raw head: box (20, 12, 40, 52) in cell (1, 2) of stride 16, anchor 10 x 40.
TEST(YoloAnchors, ReadsRawHeads) {
  auto model = model_of(DecoderKind::yolo_anchors);
  model.decoder.strides = {16};
  model.decoder.anchors = {{5, 5, 10, 40}};
  // Centre (30, 32): 30 / 16 = 2 t - 0.5 + 1 -> t = 0.6875; 32 / 16 = 2 t - 0.5 + 2 -> t = 0.25.
  // Width 20 = 4 t^2 * 10 -> t = sqrt(0.5); height 40 = 4 t^2 * 40 -> t = 0.5.
  const std::vector<double> values{0.6875, 0.25, std::sqrt(0.5), 0.5, 0.9, 0.1, 0.2, 0.8};
  Tensor rows = tensor({1, 2, 4, 4, 8}, -9);
  Tensor planes = tensor({1, 16, 4, 4}, -9);
  for (std::size_t i = 0; i < values.size(); ++i) {
    rows.values[((1 * 4 + 2) * 4 + 1) * 8 + i] = logit(values[i]);
    planes.values[((8 + i) * 4 + 2) * 4 + 1] = logit(values[i]);
  }
  for (const auto& output : {rows, planes}) {
    const auto found = found_in(model, {output});
    ASSERT_EQ(found.size(), 1U);
    expect_box(found[0], {2, 0.72, 20, 12, 20, 40});
  }
}

TEST(YoloAnchorFree, ReadsBothOrders) {
  auto model = model_of(DecoderKind::yolo_anchor_free);
  const std::vector<float> row{32, 20, 10, 8, 0.1F, 0.8F, 0.2F};
  Tensor turned = tensor({1, 7, 10});
  Tensor straight = tensor({1, 10, 7});
  for (std::size_t i = 0; i < row.size(); ++i) {
    turned.values[i * 10 + 3] = row[i];
    straight.values[3 * 7 + i] = row[i];
  }
  for (const auto& output : {turned, straight}) {
    const auto found = found_in(model, {output});
    ASSERT_EQ(found.size(), 1U);
    expect_box(found[0], {1, 0.8, 27, 16, 10, 8});
  }
  model.decoder.normalised = true;
  const auto found = found_in(model, {{{1, 1, 7}, {0.5F, 0.25F, 0.25F, 0.125F, 0.1F, 0.8F, 0.2F}}});
  ASSERT_EQ(found.size(), 1U);
  expect_box(found[0], {1, 0.8, 24, 12, 16, 8});
}

// YOLOv8-pose and its kin: x, y and score of each keypoint behind the scores of classes.
TEST(YoloAnchorFree, ReadsKeypoints) {
  auto model = model_of(DecoderKind::yolo_anchor_free);
  model.labels = {"person"};
  model.keypoints = {"nose", "hip"};
  const std::vector<float> row{32, 20, 10, 8, 0.8F, 30, 18, 0.9F, 33, 23, 0.4F};
  Tensor turned = tensor({1, 11, 20});
  for (std::size_t i = 0; i < row.size(); ++i) {
    turned.values[i * 20 + 3] = row[i];
  }
  const auto found = found_in(model, {turned});
  ASSERT_EQ(found.size(), 1U);
  expect_box(found[0], {0, 0.8, 27, 16, 10, 8});
  ASSERT_EQ(found[0].keypoints.size(), 2U);
  EXPECT_EQ(found[0].keypoints[1].x, 33);
  EXPECT_EQ(found[0].keypoints[1].y, 23);
  EXPECT_EQ(found[0].keypoints[1].confidence, 0.4);
  EXPECT_THROW(found_in(model, {tensor({1, 5, 20})}), UnfitModel);
}

// 64 pixels with strides 8, 16, 32: 64 + 16 + 4 cells. Cell (1, 0) of the last level is 64 + 16
// + 1.
TEST(Yolox, ReadsGridsAndStrides) {
  auto model = model_of(DecoderKind::yolox);
  model.decoder.strides = {8, 16, 32};
  Tensor output = tensor({1, 84, 8});
  const std::vector<float> row{0.25F, 0.5F, std::log(0.5F), std::log(0.25F), 0.9F, 0, 0, 0.8F};
  std::copy(row.begin(), row.end(), output.values.begin() + std::ptrdiff_t{81} * 8);
  const auto found = found_in(model, {output});
  ASSERT_EQ(found.size(), 1U);
  // Centre ((0.25 + 1) * 32, 0.5 * 32) = (40, 16); size (16, 8).
  expect_box(found[0], {2, 0.72, 32, 12, 16, 8});
}

// TensorFlow's SSD MobileNet of 300 pixels: 1,917 anchors, the first of them 3 a cell.
TEST(SsdHeads, MakesTensorFlowsAnchors) {
  auto model = model_of(DecoderKind::ssd_heads, 300);
  model.decoder.strides = {16, 32, 64, 128, 256, 512};
  model.decoder.scores = Scores::sigmoid;
  Tensor boxes = tensor({1, 1917, 4});
  Tensor scores = tensor({1, 1917, 3}, -9);
  // No offset: the anchors themselves. Cell (1, 0), second of three: scale 0.2, ratio 2.
  scores.values[std::size_t{4} * 3 + 1] = logit(0.8);
  // Offset by half an anchor down, twice as wide: the last cell's first, scale 0.95, ratio 1.
  boxes.values[std::size_t{1911} * 4] = 5;
  boxes.values[std::size_t{1911} * 4 + 3] = 5 * std::log(2.0F);
  scores.values[std::size_t{1911} * 3] = logit(0.6);
  const auto found = found_in(model, {boxes, scores});
  ASSERT_EQ(found.size(), 2U);
  const double width = 0.2 * std::sqrt(2.0) * 300;
  const double left = 1.5 / 19 * 300 - width / 2;  // beyond the edge: cut
  expect_box(found[0], {1, 0.8, 0, 0, left + width, 0.5 / 19 * 300 + 0.1 * 300 / std::sqrt(2.0)});
  // Centre (150, 150 + 142.5), height 285: from 150.
  expect_box(found[1], {0, 0.6, 0, 150, 300, 150});
  EXPECT_THROW(found_in(model, {tensor({1, 1916, 4}), scores}), std::runtime_error);
}

TEST(SsdHeads, LeavesTheBackgroundOut) {
  auto model = model_of(DecoderKind::ssd_heads);
  model.decoder.strides = {64};
  model.decoder.background = true;
  model.decoder.scores = Scores::softmax;
  model.decoder.ssd.reduced_lowest = false;
  model.decoder.ssd.aspect_ratios = {1};
  model.decoder.ssd.interpolated_ratio = 0;
  const float ln2 = std::log(2.0F);
  const auto found = found_in(model, {tensor({1, 1, 4}), {{1, 1, 4}, {ln2 * 2, 0, ln2, 0}}}, 0.2);
  ASSERT_EQ(found.size(), 1U);  // 4, 1, 2, 1 of 8
  EXPECT_EQ(found[0].class_id, 1);
  EXPECT_NEAR(found[0].confidence, 0.25, 1e-4);
  EXPECT_NEAR(found[0].width, (0.2 + 0.95) / 2 * 64, 0.02);
}

TEST(Detr, ReadsQueries) {
  auto model = model_of(DecoderKind::detr);
  model.decoder.scores = Scores::sigmoid;
  const Tensor boxes{{1, 2, 4}, {0.5F, 0.25F, 0.25F, 0.125F, 0.5F, 0.5F, 1, 1}};
  auto found = found_in(model, {{{1, 2, 3}, {-9, logit(0.8), -9, -9, -9, -9}}, boxes});
  ASSERT_EQ(found.size(), 1U);
  expect_box(found[0], {1, 0.8, 24, 12, 16, 8});
  // With "no object" as the last: the second query is none.
  model.decoder.scores = Scores::softmax;
  const float ln = std::log(6.0F);
  found = found_in(model, {{{1, 2, 4}, {0, ln, 0, 0, 0, 0, 0, 9}}, boxes});
  ASSERT_EQ(found.size(), 1U);
  expect_box(found[0], {1, 6.0 / 9, 24, 12, 16, 8});
}

// A distribution that is sure of 2, and one that halves between 1 and 2.
TEST(Nanodet, ReadsDistributions) {
  auto model = model_of(DecoderKind::nanodet);
  model.decoder.strides = {8, 16};
  model.decoder.reg_max = 3;
  Tensor output = tensor({1, 80, 3 + 16}, -30);
  auto* row = output.values.data() + std::size_t{64 + 4 * 1 + 2} * 19;  // cell (2, 1) of stride 16
  row[1] = 0.8F;
  const auto at = [&](int side, int bin) -> float& { return row[3 + side * 4 + bin]; };
  at(0, 2) = 30;            // left 2 cells
  at(1, 1) = at(1, 0) = 0;  // up half a cell
  at(2, 1) = at(2, 2) = 0;  // right one and a half
  at(3, 3) = 30;            // down 3
  const auto found = found_in(model, {output}, 0.5);
  ASSERT_EQ(found.size(), 1U);
  expect_box(found[0], {1, 0.8, 0, 8, 56, 56});
  model.decoder.centre_offset = 0.5;
  expect_box(found_in(model, {output}, 0.5).at(0), {1, 0.8, 8, 16, 56, 48});
}

struct Family {
  Model model;
  std::vector<std::vector<std::int64_t>> shapes;
};

std::vector<Family> families() {
  std::vector<Family> all;
  const auto add = [&](DecoderKind kind, std::vector<std::vector<std::int64_t>> shapes) -> Model& {
    all.push_back({model_of(kind), std::move(shapes)});
    return all.back().model;
  };
  add(DecoderKind::top_k_boxes, {{1, 9, 6}});
  add(DecoderKind::labelled_boxes, {{1, 9, 4}, {1, 9}, {1, 9}, {1}});
  add(DecoderKind::yolo_anchors, {{1, 9, 8}});
  auto& raw = add(DecoderKind::yolo_anchors, {{1, 2, 4, 4, 8}});
  raw.decoder.strides = {16};
  raw.decoder.anchors = {{5, 5, 10, 40}};
  add(DecoderKind::yolo_anchor_free, {{1, 7, 9}});
  add(DecoderKind::yolox, {{1, 16, 8}}).decoder.strides = {16};
  add(DecoderKind::ssd_heads, {{1, 48, 4}, {1, 48, 3}}).decoder.strides = {16};
  add(DecoderKind::detr, {{1, 9, 4}, {1, 9, 4}}).decoder.scores = Scores::softmax;
  add(DecoderKind::nanodet, {{1, 16, 35}}).decoder.strides = {16};
  auto& faces = add(DecoderKind::blazeface, {{1, 32, 3}, {1, 32, 6}});
  faces.keypoints = {"nose"};
  faces.decoder.strides = {16};
  faces.decoder.per_cell = {2};
  add(DecoderKind::keypoints, {{1, 2, 4, 3}}).keypoints = {"a", "b", "c", "d"};
  return all;
}

// Noise, infinities and no numbers: every box lies in the frame, every confidence in 0..1.
TEST(Decoders, SurviveNonsense) {
  std::mt19937 random{7};
  const std::vector<float> odd{std::nanf(""), HUGE_VALF, -HUGE_VALF, 3e38F, -3e38F, 1e-40F, 0, 1};
  for (const auto& [model, shapes] : families()) {
    for (int round = 0; round < 200; ++round) {
      std::vector<Tensor> outputs;
      for (const auto& shape : shapes) {
        Tensor output = tensor(shape);
        for (float& value : output.values) {
          value = random() % 4 == 0 ? odd[random() % odd.size()]
                                    : std::uniform_real_distribution<float>{-3, 70}(random);
        }
        outputs.push_back(std::move(output));
      }
      std::vector<Detection> found;
      try {
        found = found_in(model, outputs, round % 2 == 0 ? 0 : 0.3);
      } catch (const UnfitModel&) {
        continue;  // a class without a label, or a score that is none
      }
      for (const auto& box : found) {
        EXPECT_TRUE(box.confidence >= 0 && box.confidence <= 1);
        EXPECT_TRUE(box.class_id >= 0 && box.class_id < 3);
        EXPECT_TRUE(box.x >= 0 && box.y >= 0 && box.width >= 0 && box.height >= 0);
        EXPECT_TRUE(box.x + box.width <= 64.02 && box.y + box.height <= 64.02);
      }
    }
  }
}

// Other shapes, and labels too few or too many, are refused with what was wanted.
TEST(Decoders, RefuseOtherShapes) {
  for (const auto& [model, shapes] : families()) {
    const auto kind = to_text(model.decoder.kind);
    std::vector<Tensor> outputs;
    for (const auto& shape : shapes) {
      outputs.push_back(tensor(shape));
    }
    EXPECT_NO_THROW(found_in(model, outputs)) << kind;
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      const std::vector<Tensor> others{tensor({0}),       tensor({1, 5, 5, 3}),
                                       tensor({2, 7, 6}), tensor({1, 0, 9}),
                                       tensor({1, 11}),   tensor({3, 3, 3, 3, 3})};
      for (const auto& other : others) {
        auto wrong = outputs;
        wrong[i] = other;
        EXPECT_THROW(found_in(model, wrong), std::runtime_error) << kind << " output " << i;
      }
    }
    if (model.decoder.kind != DecoderKind::top_k_boxes &&
        model.decoder.kind != DecoderKind::labelled_boxes &&
        model.decoder.kind != DecoderKind::keypoints) {
      auto fewer = model;
      fewer.labels.pop_back();
      try {
        found_in(fewer, outputs);
        ADD_FAILURE() << kind;
      } catch (const std::runtime_error& error) {
        EXPECT_NE(std::string{error.what()}.find("labels want"), std::string::npos);
      }
    }
  }
}

}  // namespace
}  // namespace infernode::inference
