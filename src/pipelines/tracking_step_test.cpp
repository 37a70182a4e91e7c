// Goal: the result's frames say who is who, and nothing is counted that is not shown.
// Method: frames by hand.
#include "pipelines/tracking_step.hpp"

#include <gtest/gtest.h>

namespace infernode {
namespace {

namespace json = boost::json;

json::object frame(int index, json::array objects) {
  return {{"frame", index}, {"time", index / 10.0}, {"objects", std::move(objects)}};
}

json::object person(double x, double confidence = 0.9) {
  return {
      {"label", "person"}, {"class_id", 0}, {"confidence", confidence}, {"box", {x, 10, 40, 80}}};
}

std::vector<json::object> tracked(SequenceStep& step, std::vector<json::object> frames) {
  std::vector<json::object> all;
  const auto take = [&](std::vector<json::object> some) {
    for (auto& each : some) {
      all.push_back(std::move(each));
    }
  };
  for (auto& each : frames) {
    take(step.push(std::move(each)));
  }
  take(step.finish());
  return all;
}

TEST(TrackingStep, NumbersFillsAndCounts) {
  const auto step = make_tracking_step({"objects", 0.5, 2});
  const auto frames = tracked(
      *step, {frame(0, {person(0), person(300, 0.2)}), frame(2, {person(4), person(500, 0.6)}),
              frame(4, {}), frame(6, {person(12)}), frame(8, {person(16, 0.2)})});
  ASSERT_EQ(frames.size(), 5U);
  const auto objects = [&](std::size_t i) { return frames[i].at("objects").as_array(); };
  EXPECT_EQ(objects(0).size(), 1U);  // the other one is not sure enough
  EXPECT_EQ(objects(0)[0].at("track_id").as_int64(), 1);
  ASSERT_EQ(objects(1).size(), 2U);
  EXPECT_FALSE(objects(1)[1].as_object().contains("track_id"));
  ASSERT_EQ(objects(2).size(), 1U);
  EXPECT_TRUE(objects(2)[0].at("interpolated").as_bool());
  EXPECT_EQ(objects(2)[0].at("label").as_string(), "person");
  EXPECT_EQ(objects(2)[0].at("class_id").as_int64(), 0);
  EXPECT_DOUBLE_EQ(objects(2)[0].at("box").as_array()[0].to_number<double>(), 8);
  EXPECT_EQ(objects(4)[0].at("track_id").as_int64(), 1);  // shown although it is not sure
  EXPECT_EQ(json::serialize(step->summary()), R"({"tracks":{"person":1}})");
}

TEST(TrackingStep, FramesComeOutInOrderAndInBoundedTime) {
  const auto step = make_tracking_step({"objects", 0.3, 1});
  int next = 0;
  for (int i = 0; i < 500; ++i) {
    for (const auto& each : step->push(frame(i, {person(i)}))) {
      EXPECT_EQ(each.at("frame").as_int64(), next++);
    }
    EXPECT_LE(i - next, 31);
  }
  for (const auto& each : step->finish()) {
    EXPECT_EQ(each.at("frame").as_int64(), next++);
  }
  EXPECT_EQ(next, 500);
  EXPECT_THROW(step->push(frame(3, {})), std::runtime_error);
}

}  // namespace
}  // namespace infernode
