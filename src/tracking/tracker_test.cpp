// Goal: objects keep their numbers through crossings, gaps and noise, and far better than by
// overlap alone. Method: made-up motion whose truth is known, scored by metrics.hpp, beside a
// greedy tracker.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <random>

#include "tracking/metrics.hpp"
#include "tracking/sequence_tracker.hpp"

namespace infernode::tracking {
namespace {

constexpr double kWidth = 1920;
constexpr double kHeight = 1080;
constexpr int kFrames = 600;

struct Mover {
  Box box;
  double vx;
  double vy;
  std::vector<bool> hidden;  // by frame
};

struct Scene {
  std::vector<TrackedBox> truth;
  std::vector<std::vector<Observation>> found;  // by frame
  int crossings = 0;
};

// 20 objects that go straight and turn at the edges; each is hidden for 10 to 25 frames twice, 20 %
// of its other boxes are missed, 5 % of all boxes are false, and sides lie 5 % of the size off.
Scene make_scene(unsigned seed) {
  std::mt19937 random{seed};
  const auto between = [&](double low, double high) {
    return std::uniform_real_distribution<double>{low, high}(random);
  };
  const auto chance = [&](double share) { return between(0, 1) < share; };
  std::vector<Mover> movers;
  for (int i = 0; i < 20; ++i) {
    const double height = between(90, 160);
    const double width = height * between(0.4, 0.6);
    const double angle = between(0, 2 * M_PI);
    const double speed = between(3, 8);
    Mover mover{{between(0, kWidth - width), between(0, kHeight - height), width, height},
                speed * std::cos(angle),
                speed * std::sin(angle),
                std::vector<bool>(kFrames, false)};
    for (int gap = 0; gap < 2; ++gap) {
      const int first = static_cast<int>(between(30, kFrames - 60));
      for (int frame = first; frame < first + static_cast<int>(between(10, 26)); ++frame) {
        mover.hidden[static_cast<std::size_t>(frame)] = true;
      }
    }
    movers.push_back(std::move(mover));
  }
  Scene scene;
  std::map<std::pair<std::size_t, std::size_t>, bool> overlapped;
  for (int frame = 0; frame < kFrames; ++frame) {
    std::vector<Observation> found;
    for (std::size_t i = 0; i < movers.size(); ++i) {
      auto& [box, vx, vy, hidden] = movers[i];
      box.left += vx;
      box.top += vy;
      vx = box.left < 0 || box.left + box.width > kWidth ? -vx : vx;
      vy = box.top < 0 || box.top + box.height > kHeight ? -vy : vy;
      scene.truth.push_back({frame, static_cast<int>(i) + 1, box});
      if (!hidden[static_cast<std::size_t>(frame)] && !chance(0.2)) {
        std::normal_distribution<double> noise{0, 0.05};
        const auto off = [&](double size) { return noise(random) * size; };
        found.push_back({0,
                         between(0.5, 0.95),
                         {box.left + off(box.width), box.top + off(box.height),
                          box.width + off(box.width), box.height + off(box.height)}});
      }
      if (chance(0.05)) {
        found.push_back({0, between(0.3, 0.7), {between(0, kWidth), between(0, kHeight), 60, 120}});
      }
    }
    for (std::size_t i = 0; i < movers.size(); ++i) {
      for (std::size_t j = i + 1; j < movers.size(); ++j) {
        bool& before = overlapped[{i, j}];
        const bool now = intersection_over_union(movers[i].box, movers[j].box) > 0.2;
        scene.crossings += now && !before ? 1 : 0;
        before = now;
      }
    }
    scene.found.push_back(std::move(found));
  }
  return scene;
}

std::vector<TrackedBox> follow(const Scene& scene) {
  SequenceTracker tracker{{0.3, 30}};
  std::vector<TrackedBox> tracks;
  int frame = 0;
  const auto take = [&](const std::vector<TrackedFrame>& frames) {
    for (const auto& each : frames) {
      for (std::size_t i = 0; i < each.ids.size(); ++i) {
        if (each.ids[i]) {
          tracks.push_back({frame, *each.ids[i], each.observations[i].box});
        }
      }
      for (const auto& filled : each.filled) {
        tracks.push_back({frame, filled.id, filled.box});
      }
      ++frame;
    }
  };
  for (const auto& found : scene.found) {
    take(tracker.push(found));
  }
  take(tracker.finish());
  EXPECT_EQ(frame, kFrames);
  return tracks;
}

// Each track takes the box that overlaps its last one most, the best pair first; it is given up
// after 30 frames without.
std::vector<TrackedBox> follow_greedily(const Scene& scene) {
  struct Track {
    int id;
    Box box;
    int seen;
  };
  std::vector<Track> tracks;
  std::vector<TrackedBox> result;
  int last_id = 0;
  for (int frame = 0; frame < kFrames; ++frame) {
    const auto& found = scene.found[static_cast<std::size_t>(frame)];
    std::vector<std::tuple<double, std::size_t, std::size_t>> pairs;
    for (std::size_t i = 0; i < tracks.size(); ++i) {
      for (std::size_t j = 0; j < found.size(); ++j) {
        const double overlap = intersection_over_union(tracks[i].box, found[j].box);
        if (overlap >= 0.3) {
          pairs.emplace_back(-overlap, i, j);
        }
      }
    }
    std::sort(pairs.begin(), pairs.end());
    std::vector<bool> has_box(tracks.size(), false);
    std::vector<bool> has_track(found.size(), false);
    for (const auto& [cost, i, j] : pairs) {
      if (!has_box[i] && !has_track[j]) {
        has_box[i] = has_track[j] = true;
        tracks[i].box = found[j].box;
        tracks[i].seen = frame;
        result.push_back({frame, tracks[i].id, found[j].box});
      }
    }
    for (std::size_t j = 0; j < found.size(); ++j) {
      if (!has_track[j]) {
        tracks.push_back({++last_id, found[j].box, frame});
        result.push_back({frame, last_id, found[j].box});
      }
    }
    std::erase_if(tracks, [&](const Track& track) { return frame - track.seen > 30; });
  }
  return result;
}

TEST(Tracker, KeepsNumbersWhereOverlapAloneDoesNot) {
  for (unsigned seed = 1; seed <= 5; ++seed) {
    const auto scene = make_scene(seed);
    EXPECT_GE(scene.crossings, 30);
    const auto scores = score_tracks(scene.truth, follow(scene));
    const auto greedy = score_tracks(scene.truth, follow_greedily(scene));
    std::printf(
        "seed %u, %d crossings: IDF1 %.3f, MOTA %.3f, HOTA %.3f, %ld switches; greedy IDF1 "
        "%.3f, MOTA %.3f, HOTA %.3f, %ld switches\n",
        seed, scene.crossings, scores.idf1, scores.mota, scores.hota,
        static_cast<long>(scores.switches), greedy.idf1, greedy.mota, greedy.hota,
        static_cast<long>(greedy.switches));
    EXPECT_GE(scores.idf1, 0.9) << seed;
    EXPECT_LT(greedy.idf1, 0.75) << seed;
  }
}

std::vector<TrackedFrame> all_of(SequenceTracker& tracker,
                                 const std::vector<std::vector<Observation>>& frames,
                                 int steps = 1) {
  std::vector<TrackedFrame> all;
  for (const auto& frame : frames) {
    for (auto& each : tracker.push(frame, steps)) {
      all.push_back(std::move(each));
    }
  }
  for (auto& each : tracker.finish()) {
    all.push_back(std::move(each));
  }
  return all;
}

// Known from where it was seen first, filled where it was not seen, of low score where it was
// known.
TEST(Tracker, NumbersFromTheFirstSightAndFillsGaps) {
  const auto at = [](double left, double score = 0.9) {
    return Observation{0, score, {left, 0, 50, 100}};
  };
  SequenceTracker tracker{{0.3, 30}};
  const auto frames =
      all_of(tracker, {{}, {at(0)}, {at(4)}, {}, {}, {at(16)}, {at(20, 0.15)}, {at(24)}});
  ASSERT_EQ(frames.size(), 8U);
  EXPECT_EQ(frames[1].ids, (std::vector<std::optional<int>>{1}));
  EXPECT_EQ(frames[2].ids, (std::vector<std::optional<int>>{1}));
  ASSERT_EQ(frames[3].filled.size(), 1U);
  EXPECT_DOUBLE_EQ(frames[3].filled[0].box.left, 8);
  EXPECT_DOUBLE_EQ(frames[4].filled[0].box.left, 12);
  EXPECT_EQ(frames[6].ids, (std::vector<std::optional<int>>{1}));
}

// A single sight, a low score alone, another label at the same place: nobody's.
TEST(Tracker, FollowsNothingThatIsNone) {
  const Box box{10, 10, 50, 100};
  SequenceTracker tracker{{0.3, 30}};
  const auto frames = all_of(tracker, {{{0, 0.9, box}},
                                       {{0, 0.9, box}, {0, 0.9, {900, 10, 50, 100}}},
                                       {{1, 0.9, box}},
                                       {{0, 0.9, box}, {0, 0.2, {500, 10, 50, 100}}}});
  EXPECT_EQ(frames[1].ids[0], 1);
  EXPECT_FALSE(frames[1].ids[1]);
  EXPECT_FALSE(frames[2].ids[0]);
  EXPECT_EQ(frames[2].filled.size(), 1U);
  EXPECT_EQ(frames[3].ids[0], 1);
  EXPECT_FALSE(frames[3].ids[1]);
}

// What begins beside something is not that, although it is found where the other one vanishes.
TEST(Tracker, NoTwoBoxesOfAFrameAreOneObject) {
  SequenceTracker tracker{{0.3, 30}};
  const auto at = [](double left) { return Observation{0, 0.9, {left, 0, 50, 100}}; };
  const auto frames =
      all_of(tracker, {{at(0)}, {at(0)}, {at(0), at(20)}, {at(45)}, {at(50)}, {at(0), at(55)}});
  for (const auto& frame : frames) {
    std::map<int, int> seen;
    for (const auto& id : frame.ids) {
      EXPECT_TRUE(!id || ++seen[*id] == 1);
    }
    for (const auto& filled : frame.filled) {
      EXPECT_EQ(++seen[filled.id], 1);
    }
  }
}

// Frames that are missing count: what was there before them has moved on.
TEST(Tracker, CountsStepsThatAreMissing) {
  Tracker tracker{{0.3, 30}};
  const auto at = [](double left) {
    return std::vector<Observation>{{0, 0.9, {left, 0, 50, 100}}};
  };
  for (int frame = 0; frame < 20; ++frame) {
    EXPECT_EQ(tracker.update(at(frame * 10)).ids[0], 1);
  }
  EXPECT_EQ(tracker.update(at(290), 10).ids[0], 1);
  EXPECT_NE(tracker.update(at(2000), 31).ids[0], 1);
}

// No box of no size, no number that is none, comes back from anything that a file may hold.
TEST(Tracker, SurvivesNonsense) {
  std::mt19937 random{9};
  const std::vector<double> odd{0, -1, 1e-9, 1e9, 1, 50};
  SequenceTracker tracker{{0, 5}};
  const auto any = [&] { return odd[random() % odd.size()]; };
  for (int frame = 0; frame < 2000; ++frame) {
    std::vector<Observation> found;
    for (unsigned i = random() % 6; i > 0; --i) {
      found.push_back({static_cast<int>(random() % 2), any() / 50, {any(), any(), any(), any()}});
    }
    for (const auto& each : tracker.push(found, 1 + static_cast<int>(random() % 3))) {
      EXPECT_EQ(each.ids.size(), each.observations.size());
      for (const auto& filled : each.filled) {
        EXPECT_TRUE(std::isfinite(filled.box.left) && std::isfinite(filled.box.height));
      }
    }
  }
}

}  // namespace
}  // namespace infernode::tracking
