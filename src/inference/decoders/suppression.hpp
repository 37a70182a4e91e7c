#pragma once

#include <optional>
#include <vector>

#include "core/box.hpp"
#include "inference/model.hpp"

namespace infernode::inference {

// A named point of an object.
struct Keypoint {
  double x = 0;                        // pixels
  double y = 0;                        // pixels
  std::optional<double> confidence{};  // 0..1, where the model tells it
};

// A box that a decoder read; corners in pixels of the model's input, finite and not empty.
struct Candidate {
  int class_id = 0;
  double score = 0;
  double left = 0;
  double top = 0;
  double right = 0;
  double bottom = 0;
  std::vector<Keypoint> keypoints{};

  Box box() const { return {left, top, right - left, bottom - top}; }
};

// Adds a box unless it scores too little, or is no box.
void add_candidate(std::vector<Candidate>& candidates, double confidence, const Candidate& added);

// The boxes that stand for an object each, best first; of equal ones the earlier first. Greedy: a
// box goes that overlaps a better one (class_aware: of its class) by more than `iou`. Soft: instead
// its score shrinks by exp(-overlap^2 / sigma), and it goes below `confidence` (Bodla et al.,
// "Soft-NMS", 2017). Blend: a box is the mean of those of its class that overlap it by more than
// `iou`, it among them, weighted by their scores (Bazarevsky et al., "BlazeFace", 2019). Looks at
// the best 4,096 only, so that its time is bounded.
std::vector<Candidate> suppress(std::vector<Candidate> candidates, const Suppression& rules,
                                double confidence);

}  // namespace infernode::inference
