#pragma once

#include <boost/json.hpp>
#include <memory>
#include <string>

#include "pipelines/sequence_step.hpp"

namespace infernode {

struct TrackingRules {
  std::string list;       // the key of a frame's boxes: "objects"
  double confidence = 0;  // what a box needs to be shown, unless it belongs to a track
  int frame_step = 1;     // frames between two that were worked on
};

// The least confidence that boxes need for TrackingStep to go on with what is followed already.
constexpr double kTrackingConfidence = 0.1;

// Gives boxes a `track_id`, and adds those in between (`interpolated`). Boxes are objects with
// `box` (x, y, width, height), `confidence` and perhaps `label`; only those of one label are
// followed together. The summary says how many tracks there are of each label.
std::unique_ptr<SequenceStep> make_tracking_step(TrackingRules rules);

}  // namespace infernode
