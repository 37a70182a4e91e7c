// Goal: segments cover exactly the selected frames, and say where their decoding starts.
// Method: many random selections checked against the definition.
#include <gtest/gtest.h>

#include <random>

#include "jobs/segment_plan.hpp"

namespace infernode {
namespace {

constexpr double kImageMilliseconds = 30;

TEST(SegmentPlan, CoversEverySelectedFrameOnce) {
  std::mt19937 random{7};
  const auto number = [&](int most) { return std::uniform_int_distribution<int>{0, most}(random); };
  for (int round = 0; round < 2000; ++round) {
    const int start = number(500);
    const int end = start + 1 + number(5000);
    const int step = 1 + number(round % 3 == 0 ? 5000 : 5);
    std::vector<media::Keyframe> keyframes;
    for (int frame = 0; frame < end; frame += 16 + number(300)) {
      keyframes.push_back(media::Keyframe{frame, frame * 100L, {}});
    }
    const auto segments = plan_segments(start, end, step, keyframes, kImageMilliseconds);
    std::vector<int> planned;
    int images = 0;
    double decoded = 0;
    for (const auto& segment : segments) {
      EXPECT_GT(segment.image_count, 0);
      EXPECT_LE(segment.image_count, 500);
      const int begin = segment.keyframe ? segment.keyframe->frame : 0;
      EXPECT_LE(begin, segment.start_frame);
      decoded += segment.end_frame - begin;
      int here = 0;
      for (int frame = segment.start_frame; frame < segment.end_frame; frame += step) {
        planned.push_back(frame);
        ++here;
      }
      EXPECT_EQ(here, segment.image_count);
      images += segment.image_count;
    }
    std::vector<int> selected;
    for (int frame = start; frame < end; frame += step) {
      selected.push_back(frame);
    }
    ASSERT_EQ(planned, selected) << start << " " << end << " " << step;
    ASSERT_EQ(images, count_images(start, end, step));
    const auto* first = keyframe_before(keyframes, start);
    ASSERT_LE(decoded, 2.2 * (segments.back().end_frame - first->frame)) << start << " " << end;
  }
}

TEST(SegmentPlan, SurvivesTheLargestNumbers) {
  const int most = std::numeric_limits<int>::max();
  EXPECT_EQ(plan_segments(0, most, most, {}, kImageMilliseconds).size(), 1U);
  EXPECT_EQ(plan_segments(most - 1, most, 1, {}, kImageMilliseconds).size(), 1U);
  EXPECT_TRUE(plan_segments(5, 5, 1, {}, kImageMilliseconds).empty());
  EXPECT_EQ(count_images(0, 10, 3), 4);
}

TEST(SegmentPlan, CutsAtKeyframesWhereItCan) {
  const std::vector<media::Keyframe> keyframes{{0, 0, {}}, {50, 1, 0}, {100, 2, 1}};
  const auto segments = plan_segments(0, 120, 1, keyframes, kImageMilliseconds);
  ASSERT_EQ(segments.size(), 2U);
  EXPECT_EQ(segments[0].end_frame, 50);
  EXPECT_EQ(segments[0].keyframe->frame, 0);
  ASSERT_TRUE(segments[1].keyframe);
  EXPECT_EQ(segments[1].keyframe->frame, 50);
  EXPECT_EQ(segments[1].keyframe->pts, 1);
  EXPECT_EQ(segments[1].keyframe->dts, 0);
  EXPECT_EQ(keyframe_before(keyframes, 99)->frame, 50);
  EXPECT_EQ(keyframe_before({}, 99), nullptr);
}

TEST(SegmentPlan, GrowsWhereKeyframesAreRare) {
  for (const auto& keyframes : {std::vector<media::Keyframe>{}, {{0, 0}}, {{0, 0}, {30'000, 1}}}) {
    const auto segments = plan_segments(0, 100'000, 1, keyframes, kImageMilliseconds);
    double decoded = 0;
    for (const auto& segment : segments) {
      decoded += segment.end_frame - (segment.keyframe ? segment.keyframe->frame : 0);
    }
    EXPECT_LE(decoded, 220'000);
    EXPECT_GE(segments.size(), 4U);
  }
}

// What costs more an image is cut into shorter segments.
TEST(SegmentPlan, GoesByWhatAnImageCosts) {
  std::vector<media::Keyframe> keyframes;
  for (int frame = 0; frame < 1000; ++frame) {
    keyframes.push_back({frame, frame});
  }
  EXPECT_GT(plan_segments(0, 1000, 1, keyframes, 100).size(),
            plan_segments(0, 1000, 1, keyframes, 30).size());
  EXPECT_EQ(plan_segments(0, 3, 1, keyframes, 1e6).size(), 3U);
}

}  // namespace
}  // namespace infernode
