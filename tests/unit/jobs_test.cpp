// Goal: segments cover exactly the selected frames; params contradict neither themselves nor the
// video; documents add up.
// Method: many random selections checked against the definition; tables for the rest.
#include <gtest/gtest.h>

#include <random>

#include "jobs/job_params.hpp"
#include "jobs/segment_plan.hpp"
#include "results/image_index.hpp"
#include "results/result_document.hpp"

namespace infernode {
namespace {

TEST(SegmentPlan, CoversEverySelectedFrameOnce) {
  std::mt19937 random{7};
  const auto number = [&](int most) { return std::uniform_int_distribution<int>{0, most}(random); };
  for (int round = 0; round < 2000; ++round) {
    const int start = number(500);
    const int end = start + 1 + number(5000);
    const int step = 1 + number(round % 3 == 0 ? 5000 : 5);
    std::vector<media::Keyframe> keyframes;
    for (int frame = 0; frame < end; frame += 16 + number(300)) {
      keyframes.push_back(media::Keyframe{frame, frame * 100L});
    }
    const auto segments = plan_segments(start, end, step, keyframes);
    std::vector<int> planned;
    int images = 0;
    for (const auto& segment : segments) {
      EXPECT_GT(segment.images, 0);
      EXPECT_LE(segment.images, 100);
      int here = 0;
      for (int frame = segment.start_frame; frame < segment.end_frame; frame += step) {
        planned.push_back(frame);
        ++here;
      }
      EXPECT_EQ(here, segment.images);
      images += segment.images;
    }
    std::vector<int> selected;
    for (int frame = start; frame < end; frame += step) {
      selected.push_back(frame);
    }
    ASSERT_EQ(planned, selected) << start << " " << end << " " << step;
    ASSERT_EQ(images, count_images(start, end, step));
  }
}

TEST(SegmentPlan, SurvivesTheLargestNumbers) {
  const int most = std::numeric_limits<int>::max();
  EXPECT_EQ(plan_segments(0, most, most, {}).size(), 1U);
  EXPECT_EQ(plan_segments(most - 1, most, 1, {}).size(), 1U);
  EXPECT_TRUE(plan_segments(5, 5, 1, {}).empty());
  EXPECT_EQ(count_images(0, 10, 3), 4);
}

TEST(SegmentPlan, CutsAtKeyframesWhereItCan) {
  const std::vector<media::Keyframe> keyframes{{0, 0}, {50, 1}, {100, 2}};
  const auto segments = plan_segments(0, 120, 1, keyframes);
  ASSERT_EQ(segments.size(), 2U);
  EXPECT_EQ(segments[0].end_frame, 50);
  EXPECT_EQ(keyframe_before(keyframes, 99)->frame, 50);
  EXPECT_EQ(keyframe_before({}, 99), nullptr);
}

inference::Model detector() {
  inference::Model model;
  model.name = "m";
  model.pipeline = "detect";
  model.labels = {"person", "car"};
  return model;
}

TEST(Params, FillsDefaultsIn) {
  const auto params = resolve_params({{"pipeline", "detect"}}, 120, {detector()});
  ASSERT_TRUE(params);
  EXPECT_EQ(params->at("end_frame").as_int64(), 120);
  EXPECT_EQ(params->at("model").as_string(), "m");
  EXPECT_EQ(params->at("confidence").as_double(), 0.3);
}

TEST(Params, NamesTheKeyThatIsWrong) {
  using boost::json::object;
  const std::vector<std::pair<object, std::string>> cases{
      {{{"pipeline", "detect"}, {"start_frame", 120}}, "/params/start_frame"},
      {{{"pipeline", "detect"}, {"end_frame", 121}}, "/params/end_frame"},
      {{{"pipeline", "detect"}, {"start_frame", 5}, {"end_frame", 5}}, "/params/end_frame"},
      {{{"pipeline", "detect"}, {"model", "other"}}, "/params/model"},
      {{{"pipeline", "detect"}, {"classes", {"person", "unicorn"}}}, "/params/classes/1"},
      {{{"pipeline", "pose"}}, "/params/pipeline"}};
  for (const auto& [given, pointer] : cases) {
    const auto params = resolve_params(given, 120, {detector()});
    ASSERT_FALSE(params) << pointer;
    EXPECT_EQ(params.error().fields.at(0).pointer, pointer);
  }
}

TEST(ImageIndex, ComesBackAsItWas) {
  std::vector<std::byte> index;
  const IndexedImage image{123456, 5'000'000'123, 77, 0xdeadbeef};
  append_to_index(index, image);
  append_to_index(index, IndexedImage{});
  const auto read = read_index(index);
  ASSERT_EQ(read.size(), 2U);
  EXPECT_EQ(read[0].frame, image.frame);
  EXPECT_EQ(read[0].offset, image.offset);
  EXPECT_EQ(read[0].size, image.size);
  EXPECT_EQ(read[0].crc32, image.crc32);
  EXPECT_EQ(zip_entry(image, 10).name, "123456.jpg");
  index.pop_back();
  EXPECT_THROW(read_index(index), std::runtime_error);
}

TEST(ResultDocument, AddsUp) {
  ResultTotals totals;
  totals.add(3, 1, 0, 2.5,
             {{"labels", {{"person", 2}}}, {"energy_method", "rapl"}, {"runtime", "r"}});
  totals.add(4, 0, 2, 1.5,
             {{"labels", {{"person", 1}, {"car", 1}}},
              {"reasons", {{"not_decodable", 2}}},
              {"energy_method", "rapl"},
              {"runtime", "r"}});
  ResultFacts facts;
  facts.params = {{"pipeline", "detect"}, {"model", "m"}};
  facts.grid = {360, "test"};
  const auto head = result_head(facts, totals);
  EXPECT_EQ(head.at("accounting").at("selected").as_int64(), 10);
  EXPECT_EQ(head.at("accounting").at("processed").as_int64(), 7);
  EXPECT_EQ(head.at("summary").at("objects").as_int64(), 4);
  EXPECT_EQ(head.at("energy").at("method").as_string(), "rapl");
  EXPECT_DOUBLE_EQ(head.at("energy").at("grams_co2e").as_double(), 4 / 3.6e6 * 360);
  const auto frame = frame_of(boost::json::serialize(head));
  EXPECT_TRUE(boost::json::parse(frame.before + "{\"frame\":0}" + frame.after).is_object());
}

}  // namespace
}  // namespace infernode
