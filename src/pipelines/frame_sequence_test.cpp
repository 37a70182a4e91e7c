// Goal: steps follow each other, whatever each holds back, and what comes out is counted.
// Method: frames by hand, through steps by hand and the real ones.
#include "pipelines/frame_sequence.hpp"

#include <gtest/gtest.h>

#include "pipelines/redraw_step.hpp"
#include "pipelines/zones_step.hpp"

namespace infernode {
namespace {

namespace json = boost::json;

json::object numbered(int index, json::array objects) {
  return {{"frame", index}, {"time", index / 10.0}, {"objects", std::move(objects)}};
}

json::object someone(int id, double x, double confidence = 0.9) {
  return {{"label", "person"},
          {"confidence", confidence},
          {"box", {x - 10, 10, 20, 40}},
          {"track_id", id}};
}

// Holds `count` frames back, and writes down that they passed.
class Delay : public SequenceStep {
public:
  Delay(std::string mark, std::size_t count) : mark_{std::move(mark)}, count_{count} {}
  std::vector<json::object> push(json::object frame) override {
    frame.emplace(mark_, true);
    held_.push_back(std::move(frame));
    std::vector<json::object> out;
    if (held_.size() > count_) {
      out.push_back(std::move(held_.front()));
      held_.erase(held_.begin());
    }
    return out;
  }
  std::vector<json::object> finish() override { return std::exchange(held_, {}); }
  json::object summary() const override { return {{mark_, 1}}; }

private:
  std::string mark_;
  std::size_t count_;
  std::vector<json::object> held_;
};

TEST(FrameSequence, EveryFrameGoesThroughEveryStepInOrder) {
  std::vector<std::unique_ptr<SequenceStep>> steps;
  steps.push_back(std::make_unique<Delay>("a", 3));
  steps.push_back(std::make_unique<Delay>("b", 2));
  FrameSequence sequence{"objects", std::move(steps)};
  std::vector<json::object> out;
  const auto take = [&](std::vector<json::object> frames) {
    out.insert(out.end(), frames.begin(), frames.end());
  };
  auto filled = someone(1, 0);
  filled.emplace("interpolated", true);
  for (int i = 0; i < 10; ++i) {
    take(sequence.push(numbered(i, {someone(1, 0), filled})));
    EXPECT_EQ(static_cast<int>(out.size()), std::max(0, i - 4));
  }
  take(sequence.finish());
  ASSERT_EQ(out.size(), 10U);
  for (int i = 0; i < 10; ++i) {
    const auto& each = out[static_cast<std::size_t>(i)];
    EXPECT_EQ(each.at("frame").as_int64(), i);
    EXPECT_TRUE(each.contains("a") && each.contains("b"));
  }
  EXPECT_EQ(sequence.tally().at("person"), 10);
  EXPECT_EQ(json::serialize(sequence.summary()), R"({"a":1,"b":1})");
}

TEST(ZonesStep, TellsWhatHappenedAndHowThingsStand) {
  const json::object params{
      {"track", true},
      {"zones",
       {{{"name", "gate"}, {"line", {{100, 0}, {100, 200}}}},
        {{"name", "court"}, {"polygon", {{200, 0}, {300, 0}, {300, 200}, {200, 200}}}}}}};
  EXPECT_TRUE(check_zones(params));
  const auto step = make_zones_step("objects", zones_of(params));
  std::vector<json::object> out;
  int index = 0;
  for (const double x : {50, 150, 250, 350, 90}) {
    for (auto& each : step->push(numbered(
             index++,
             {someone(7, x), {{"label", "dog"}, {"confidence", 0.9}, {"box", {0, 0, 1, 1}}}}))) {
      out.push_back(std::move(each));
    }
  }
  EXPECT_FALSE(out[0].contains("events"));
  EXPECT_EQ(json::serialize(out[1].at("events")),
            R"([{"zone":"gate","event":"backward","track_id":7,"label":"person"}])");
  EXPECT_EQ(out[2].at("zones").at("court").at("inside").as_int64(), 1);
  EXPECT_EQ(json::serialize(out[3].at("events")),
            R"([{"zone":"court","event":"left","track_id":7,"label":"person","seconds":1E-1}])");
  EXPECT_EQ(json::serialize(out[4].at("zones")),
            R"({"gate":{"forward":1,"backward":1},"court":{"inside":0}})");
  EXPECT_EQ(json::serialize(step->summary()),
            R"({"zones":{"gate":{"person":{"entered":1,"left":1,"dwell_seconds":0E0,"forward":1,)"
            R"("backward":1}},"court":{"person":{"entered":1,"left":1,"dwell_seconds":1E-1}}}})");
}

TEST(ZonesStep, RefusesWhatContradictsItself) {
  const json::value gate{{"name", "gate"}, {"line", {{1, 2}, {3, 4}}}};
  const json::value point{{"name", "b"}, {"line", {{1, 2}, {1, 2}}}};
  const json::value both{{"name", "b"}, {"line", {{1, 2}, {3, 4}}}, {"polygon", json::array{}}};
  const std::vector<std::pair<json::array, std::string>> cases{
      {{gate, gate}, "/params/zones/1/name"},
      {{gate, point}, "/params/zones/1/line"},
      {{both}, "/params/zones/0"},
      {{json::object{{"name", "c"}}}, "/params/zones/0"}};
  for (const auto& [zones, pointer] : cases) {
    const auto checked = check_zones({{"track", true}, {"zones", zones}});
    ASSERT_FALSE(checked) << pointer;
    EXPECT_EQ(checked.error().fields.at(0).pointer, pointer);
  }
  const auto placed = [&](int width, int height) {
    return check_zones({{"track", true}, {"zones", json::array{gate}}}, width, height);
  };
  EXPECT_TRUE(placed(1, 2));
  const auto outside = placed(100, 1);
  ASSERT_FALSE(outside);
  EXPECT_EQ(outside.error().fields.at(0).pointer, "/params/zones/0");
  const auto untracked = check_zones({{"track", false}, {"zones", json::array{gate}}});
  ASSERT_FALSE(untracked);
  EXPECT_EQ(untracked.error().fields.at(0).pointer, "/params/zones");
  EXPECT_TRUE(check_zones({{"track", false}, {"zones", json::array{}}}));
  EXPECT_TRUE(check_zones({}));
}

TEST(RedrawStep, KeepsWhatIsAskedFor) {
  const auto step = make_redraw_step({"objects", 0.5, {"person"}});
  auto stored = numbered(3, {someone(1, 0, 0.5),
                             someone(2, 0, 0.4),
                             {{"label", "car"}, {"confidence", 0.9}, {"box", {0, 0, 1, 1}}}});
  stored.emplace("zones", json::object{});
  stored.emplace("events", json::array{});
  const auto out = step->push(std::move(stored));
  ASSERT_EQ(out.size(), 1U);
  EXPECT_EQ(out[0].at("objects").as_array().size(), 1U);
  EXPECT_EQ(out[0].size(), 3U);
}

}  // namespace
}  // namespace infernode
