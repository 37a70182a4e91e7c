// Goal: the scores of tracks are the published ones.
// Method: small cases whose every term is counted by hand; lines that are none.
#include "tracking/metrics.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace infernode::tracking {
namespace {

const Box kHere{0, 0, 10, 10};
const Box kThere{100, 0, 10, 10};

std::vector<TrackedBox> line(int id, const Box& box, int first, int last) {
  std::vector<TrackedBox> boxes;
  for (int frame = first; frame <= last; ++frame) {
    boxes.push_back({frame, id, box});
  }
  return boxes;
}

std::vector<TrackedBox> all(std::initializer_list<std::vector<TrackedBox>> lines) {
  std::vector<TrackedBox> boxes;
  for (const auto& each : lines) {
    boxes.insert(boxes.end(), each.begin(), each.end());
  }
  return boxes;
}

TEST(TrackScores, OfTheTruthAreOne) {
  const auto truth = all({line(1, kHere, 1, 10), line(2, kThere, 3, 8)});
  const auto scores = score_tracks(truth, all({line(7, kThere, 3, 8), line(5, kHere, 1, 10)}));
  EXPECT_DOUBLE_EQ(scores.mota, 1);
  EXPECT_DOUBLE_EQ(scores.idf1, 1);
  EXPECT_NEAR(scores.hota, 1, 1e-12);
}

TEST(TrackScores, OfNothing) {
  const auto truth = line(1, kHere, 1, 10);
  const auto scores = score_tracks(truth, {});
  EXPECT_DOUBLE_EQ(scores.mota, 0);
  EXPECT_EQ(scores.missed, 10);
  EXPECT_DOUBLE_EQ(scores.idf1, 0);
  EXPECT_DOUBLE_EQ(scores.hota, 0);
  EXPECT_EQ(score_tracks({}, truth).false_hits, 10);
}

// Ten frames; the first six are called 1, the others 2.
TEST(TrackScores, CountASwitch) {
  const auto scores =
      score_tracks(line(1, kHere, 1, 10), all({line(1, kHere, 1, 6), line(2, kHere, 7, 10)}));
  EXPECT_DOUBLE_EQ(scores.mota, 0.9);
  EXPECT_EQ(scores.switches, 1);
  EXPECT_DOUBLE_EQ(scores.idf1, 2 * 6.0 / 20);
  EXPECT_NEAR(scores.detection_accuracy, 1, 1e-12);
  // 6 boxes of association 6 / (10 + 6 - 6), 4 of 4 / 10.
  EXPECT_NEAR(scores.association_accuracy, (6 * 0.6 + 4 * 0.4) / 10, 1e-12);
  EXPECT_NEAR(scores.hota, std::sqrt(0.52), 1e-12);
}

// Two objects whose names are exchanged after five of ten frames.
TEST(TrackScores, CountAnExchange) {
  const auto truth = all({line(1, kHere, 1, 10), line(2, kThere, 1, 10)});
  const auto scores = score_tracks(truth, all({line(1, kHere, 1, 5), line(2, kThere, 1, 5),
                                               line(2, kHere, 6, 10), line(1, kThere, 6, 10)}));
  EXPECT_EQ(scores.switches, 2);
  EXPECT_DOUBLE_EQ(scores.mota, 0.9);
  EXPECT_DOUBLE_EQ(scores.idf1, 0.5);
  EXPECT_NEAR(scores.association_accuracy, 5.0 / 15, 1e-12);
}

// Boxes shifted by 2 of 10: overlap 8 / 12, enough for 13 of HOTA's 19 overlaps.
TEST(TrackScores, LookAtPlaces) {
  const auto truth = line(1, kHere, 1, 10);
  const auto scores =
      score_tracks(truth, all({line(1, {2, 0, 10, 10}, 1, 10), line(9, kThere, 1, 5)}));
  EXPECT_DOUBLE_EQ(scores.mota, 0.5);
  EXPECT_EQ(scores.false_hits, 5);
  EXPECT_DOUBLE_EQ(scores.idf1, 2 * 10.0 / 25);
  EXPECT_NEAR(scores.detection_accuracy, 13.0 / 19 * 10 / 15, 1e-12);
  EXPECT_NEAR(scores.association_accuracy, 13.0 / 19, 1e-12);
  EXPECT_NEAR(scores.hota, 13.0 / 19 * std::sqrt(10.0 / 15), 1e-12);
}

TEST(Mot, LinesAreRead) {
  const auto boxes =
      read_mot("1,2,3.5,4,10,20,1,-1,-1,-1\r\n\n2, 2, 4, 4, 10, 20\n3,2,1,1,1,1,0\n");
  ASSERT_EQ(boxes.size(), 2U);
  EXPECT_EQ(boxes[0].id, 2);
  EXPECT_DOUBLE_EQ(boxes[0].box.left, 3.5);
  EXPECT_EQ(boxes[1].frame, 2);
  for (const auto* wrong :
       {"1,2,3", "a,1,2,3,4,5", "1,1,0,0,0,5", "1,1,0,0,nan,5", "1,1,0,0,1e300,5"}) {
    EXPECT_THROW(read_mot(wrong), std::runtime_error) << wrong;
  }
}

}  // namespace
}  // namespace infernode::tracking
