// Goal: the real model finds how a real person stands. Method: a walker cut out of the street,
// whose joints somebody has looked up; the annotated image as it was looked at.
#include "pipelines/pose/pose.hpp"

#include <gtest/gtest.h>

#include "testing/golden.hpp"
#include "testing/one_frame.hpp"

namespace infernode::pose {
namespace {

namespace json = boost::json;

TEST(Pose, OfAWalkerIsFound) {
  const auto result =
      test::result_of_frame(*make_pipeline(), {{"pipeline", "pose"}}, "tests/data/walker.mp4", 1);
  const auto frame = json::parse(result.json);
  ASSERT_EQ(frame.at("objects").as_array().size(), 1U);
  const auto& person = frame.at("objects").at(0);
  EXPECT_EQ(person.at("label").as_string(), "person");
  EXPECT_EQ(person.at("keypoints").as_object().size(), 17U);
  const std::vector<std::pair<std::string, std::pair<double, double>>> looked_up{
      {"nose", {172, 65}},         {"right shoulder", {140, 92}}, {"left shoulder", {178, 88}},
      {"left wrist", {192, 155}},  {"right hip", {150, 163}},     {"left hip", {165, 160}},
      {"right ankle", {184, 257}}, {"left ankle", {122, 245}}};
  for (const auto& [name, point] : looked_up) {
    const auto& found = person.at("keypoints").at(name).as_array();
    ASSERT_EQ(found.size(), 3U);
    EXPECT_NEAR(found[0].to_number<double>(), point.first, 10) << name;
    EXPECT_NEAR(found[1].to_number<double>(), point.second, 10) << name;
    EXPECT_GT(found[2].to_number<double>(), 0.3) << name;
  }
  test::expect_golden_jpeg(result.jpeg, "docs/images/pose.jpg");
}

}  // namespace
}  // namespace infernode::pose
