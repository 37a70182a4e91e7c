#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/box.hpp"

// How good tracks are, against a truth.
namespace infernode::tracking {

struct TrackedBox {
  int frame = 0;
  int id = 0;
  Box box;
};

struct Scores {
  // CLEAR MOT (Bernardin and Stiefelhagen, 2008): 1 - (missed + false + switched) / true boxes,
  // boxes being the same from an overlap of 0.5 on.
  double mota = 0;
  std::int64_t missed = 0;
  std::int64_t false_hits = 0;
  std::int64_t switches = 0;
  // Identities (Ristani et al., 2016): the F1 of boxes under the best pairing of whole tracks.
  double idf1 = 0;
  // Luiten et al., "HOTA", 2020: the mean over overlaps 0.05, 0.10 ... 0.95 of the geometric mean
  // of how well boxes are found and how well they are associated.
  double hota = 0;
  double detection_accuracy = 0;
  double association_accuracy = 0;
};

// Boxes in any order; one of an id a frame. Follows the published code (TrackEval).
Scores score_tracks(const std::vector<TrackedBox>& truth, const std::vector<TrackedBox>& result);

// Lines of the MOT Challenge: frame, id, left, top, width, height, and more, which is not read
// (a seventh number of 0 in a truth takes the line out, as there). Throws std::runtime_error,
// naming the line.
std::vector<TrackedBox> read_mot(std::string_view csv);

}  // namespace infernode::tracking
