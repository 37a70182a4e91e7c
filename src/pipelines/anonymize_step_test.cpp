// Goal: nobody who is to be hidden shows in a frame beside those in which he was found.
// Method: frames by hand.
#include "pipelines/anonymize_step.hpp"

#include <gtest/gtest.h>

#include <set>

namespace infernode {
namespace {

namespace json = boost::json;

std::vector<json::object> through(std::vector<json::array> objects) {
  const auto step = make_anonymize_step("objects");
  std::vector<json::object> all;
  int index = 0;
  for (auto& each : objects) {
    for (auto& out : step->push({{"frame", index++}, {"objects", std::move(each)}})) {
      all.push_back(std::move(out));
    }
  }
  for (auto& out : step->finish()) {
    all.push_back(std::move(out));
  }
  all.push_back(step->summary());
  return all;
}

std::set<int> hidden_in(const std::vector<json::object>& frames) {
  std::set<int> found;
  for (const auto& frame : frames) {
    if (frame.contains("hidden")) {
      found.insert(json::value_to<int>(frame.at("frame")));
    }
  }
  return found;
}

std::set<int> range(int first, int last) {
  std::set<int> all;
  for (int i = first; i <= last; ++i) {
    all.insert(i);
  }
  return all;
}

TEST(AnonymizeStep, HidesBeforeTheFirstAndAfterTheLastHit) {
  std::vector<json::array> objects(60);
  for (int i = 20; i < 25; ++i) {
    objects[static_cast<std::size_t>(i)].push_back(
        json::object{{"track_id", 1}, {"box", {i, 0, 10, 10}}});
  }
  objects[22][0].as_object().emplace("interpolated", true);
  auto frames = through(objects);
  const auto summary = frames.back();
  frames.pop_back();
  ASSERT_EQ(frames.size(), 60U);
  auto expected = range(5, 19);
  expected.merge(range(25, 39));
  EXPECT_EQ(hidden_in(frames), expected);
  EXPECT_EQ(json::serialize(frames[5].at("hidden")), "[[20,0,10,10]]");
  EXPECT_EQ(json::serialize(frames[39].at("hidden")), "[[24,0,10,10]]");
  EXPECT_EQ(json::serialize(summary),
            R"({"anonymized":{"frames_between_hits":1,"frames_beside_hits":30}})");
}

TEST(AnonymizeStep, HidesAroundWhatIsInNoTrack) {
  std::vector<json::array> objects(70);
  objects[16].push_back(json::object{{"box", {1, 2, 3, 4}}});
  objects[47].push_back(json::object{{"box", {1, 2, 3, 4}}});
  auto frames = through(objects);
  frames.pop_back();
  auto expected = range(1, 15);
  expected.merge(range(17, 46));  // no gap in between: 30 frames
  expected.merge(range(48, 62));
  EXPECT_EQ(hidden_in(frames), expected);
}

TEST(AnonymizeStep, ShortVideosEndWithTheirLastFrame) {
  std::vector<json::array> objects(3);
  objects[2].push_back(json::object{{"track_id", 1}, {"box", {1, 2, 3, 4}}});
  auto frames = through(objects);
  frames.pop_back();
  EXPECT_EQ(frames.size(), 3U);
  EXPECT_EQ(hidden_in(frames), range(0, 1));
}

}  // namespace
}  // namespace infernode
