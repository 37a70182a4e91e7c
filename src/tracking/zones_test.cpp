// Goal: who enters, leaves, stays in and crosses what is counted as a person would.
// Method: ways by hand; ten thousand random ones against the winding number, which is another rule.
#include "tracking/zones.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <random>

namespace infernode::tracking {
namespace {

const Zone kCourt{"court", {{10, 10}, {50, 10}, {50, 40}, {10, 40}}, false};
const Zone kGate{"gate", {{0, 100}, {100, 100}}, true};

std::vector<SeenObject> one(double x, double y) {
  return {{1, "person", {x, y}}};
}

std::string told(const std::vector<ZoneEvent>& events) {
  std::string text;
  for (const auto& event : events) {
    text += std::string{to_text(event.kind)} + " ";
  }
  return text;
}

TEST(Zones, AreasAreEnteredAndLeft) {
  ZoneCounter counter{{kCourt}};
  EXPECT_EQ(told(counter.push(0, one(5, 20))), "");
  EXPECT_EQ(told(counter.push(1, one(20, 20))), "entered ");
  EXPECT_EQ(counter.inside(), std::vector{1});
  EXPECT_EQ(told(counter.push(1.5, one(30, 20))), "");
  const auto events = counter.push(3, one(60, 20));
  EXPECT_EQ(told(events), "left ");
  EXPECT_DOUBLE_EQ(events[0].seconds, 2);
  EXPECT_EQ(counter.inside(), std::vector{0});
  const auto& counts = counter.counts()[0].at("person");
  EXPECT_EQ(counts.entered, 1);
  EXPECT_EQ(counts.left, 1);
  EXPECT_DOUBLE_EQ(counts.dwell_seconds, 2);
}

TEST(Zones, WhoIsSeenFirstInsideEntersAndWhoVanishesDoesNotLeave) {
  ZoneCounter counter{{kCourt}};
  EXPECT_EQ(told(counter.push(0, one(20, 20))), "entered ");
  EXPECT_EQ(told(counter.push(2, {})), "");
  EXPECT_EQ(counter.inside(), std::vector{0});
  EXPECT_EQ(told(counter.push(4, one(20, 20))), "");  // it was only not seen
  EXPECT_DOUBLE_EQ(counter.counts()[0].at("person").dwell_seconds, 4);
  EXPECT_EQ(told(counter.push(100, {})), "");
  EXPECT_EQ(told(counter.push(200, one(20, 20))), "entered ");  // nobody remembers
}

TEST(Zones, LinesAreCrossedInTwoDirections) {
  // From (0, 100) to (100, 100), y downwards: below is right.
  ZoneCounter counter{{kGate}};
  EXPECT_EQ(told(counter.push(0, one(50, 90))), "");
  EXPECT_EQ(told(counter.push(1, one(50, 100))), "forward ");  // on it is right of it
  EXPECT_EQ(told(counter.push(2, one(50, 110))), "");
  EXPECT_EQ(told(counter.push(3, one(60, 80))), "backward ");
  EXPECT_EQ(told(counter.push(4, one(150, 80))), "");
  EXPECT_EQ(told(counter.push(5, one(150, 120))), "");  // past its end
  EXPECT_EQ(counter.counts()[0].at("person").entered, 1);
  EXPECT_EQ(counter.counts()[0].at("person").left, 1);
}

TEST(Zones, LabelsAreCountedApart) {
  ZoneCounter counter{{kCourt, kGate}};
  counter.push(0, {{1, "person", {5, 20}}, {2, "car", {20, 90}}});
  counter.push(1, {{1, "person", {20, 20}}, {2, "car", {20, 110}}});
  EXPECT_EQ(counter.counts()[0].size(), 1U);
  EXPECT_EQ(counter.counts()[0].at("person").entered, 1);
  EXPECT_EQ(counter.counts()[1].at("car").entered, 1);
}

// The sum of the angles under which the edges are seen; whole turns are inside (of simple areas).
bool winds_around(const std::vector<Point>& area, Point point) {
  double sum = 0;
  for (std::size_t i = 0; i < area.size(); ++i) {
    const Point a = area[i];
    const Point b = area[(i + 1) % area.size()];
    const double turn =
        std::atan2(b.y - point.y, b.x - point.x) - std::atan2(a.y - point.y, a.x - point.x);
    sum += std::remainder(turn, 2 * std::numbers::pi);
  }
  return std::abs(sum) > std::numbers::pi;
}

TEST(Zones, HoldsAsTheWindingNumberSays) {
  std::mt19937 random{7};
  std::uniform_real_distribution<double> radius{10, 100};
  std::uniform_real_distribution<double> place{-110, 110};
  for (int round = 0; round < 500; ++round) {
    std::vector<Point> star;  // seen from its middle no edge hides another: simple, not convex
    for (int corner = 0; corner < 9; ++corner) {
      const double angle = 2 * std::numbers::pi * corner / 9;
      const double away = radius(random);
      star.push_back({away * std::cos(angle), away * std::sin(angle)});
    }
    for (int i = 0; i < 20; ++i) {
      const Point point{place(random), place(random)};
      ASSERT_EQ(holds(star, point), winds_around(star, point));
    }
  }
}

TEST(Zones, CrossingsOfAWayAddUpToItsSides) {
  // Along a line without ends (a very long one), forward minus backward is the change of side.
  std::mt19937 random{8};
  std::uniform_real_distribution<double> place{0, 100};
  ZoneCounter counter{{{"long", {{50, -1e6}, {50, 1e6}}, true}}};
  double x = place(random);
  const bool began_left = x > 50;  // of the way downwards
  counter.push(0, one(x, 50));
  for (int i = 1; i < 10'000; ++i) {
    x = place(random);
    counter.push(i, one(x, place(random)));
  }
  const auto& counts = counter.counts()[0].at("person");
  EXPECT_GT(counts.entered, 2000);
  EXPECT_EQ(counts.entered - counts.left, (x > 50 ? 0 : 1) - (began_left ? 0 : 1));
}

}  // namespace
}  // namespace infernode::tracking
