#pragma once

#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "tracking/tracker.hpp"

namespace infernode::tracking {

// A box between two that were found of one track, on the straight line from one to the other.
struct FilledBox {
  int id = 0;
  int label = 0;
  double score = 0;  // the lower one of the two
  Box box;
};

struct TrackedFrame {
  std::vector<Observation> observations;
  std::vector<std::optional<int>> ids;  // of the observations
  std::vector<FilledBox> filled;        // of tracks that were not found here
};

// Tracks of a whole video: what Tracker gives, and in addition, since frames come out as many later
// as a track is remembered, the number of an object already where it was seen first, and its boxes
// where it was not found in between (ByteTrack's interpolation). Memory is that of so many frames.
class SequenceTracker {
public:
  explicit SequenceTracker(TrackerSettings settings)
      : patience_{settings.patience}, tracker_{settings} {}

  // The next frame, `steps` after the one before. Returns those that are finished, in order.
  std::vector<TrackedFrame> push(std::vector<Observation> observations, int steps = 1);
  // The frames that are left.
  std::vector<TrackedFrame> finish();

private:
  struct Pending {
    TrackedFrame frame;
    std::vector<int> provisional;
    int at = 0;  // steps
  };
  struct Seen {
    int at = 0;  // steps
    Box box;
    double score = 0;
  };
  // The track was found, `at` steps: fills the frames since it was found before, if it was.
  void find(int id, const Observation& found, int at);

  int patience_;
  Tracker tracker_;
  std::deque<Pending> pending_;
  std::map<int, Seen> last_seen_;  // by id
  int now_ = 0;                    // steps
};

}  // namespace infernode::tracking
