#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "tracking/kalman.hpp"

namespace infernode::tracking {

// A box that was found in a frame.
struct Observation {
  int label = 0;     // only boxes of one label are the same object
  double score = 0;  // 0..1
  Box box;
};

struct TrackerSettings {
  // What scores as much may begin to be followed a tenth above it; what scores less only goes on
  // with what is followed already.
  double high_score = 0.3;
  // Steps for which an object that is not seen is remembered.
  int patience = 30;
};

// Follows boxes from frame to frame: ByteTrack (Zhang et al., "ByteTrack: Multi-Object Tracking by
// Associating Every Detection Box", 2022), with its thresholds and its two-stage association. A
// last stage is DeepSORT's gate (Wojke et al., 2017): what comes back from behind something does
// not lie on its prediction, but within its uncertainty. The same observations give the same
// tracks.
class Tracker {
public:
  explicit Tracker(TrackerSettings settings) : settings_{settings} {}

  // What became of a frame's observations. An object is known once it was seen in two frames in a
  // row; until then it has a provisional number.
  struct Step {
    // For each observation: the track's number (1, 2, 3 ... as they became known), nothing if there
    // is none yet.
    std::vector<std::optional<int>> ids;
    // For each observation: its provisional number, 0 if nobody follows it.
    std::vector<int> provisional;
    // Tracks that became known, or known again: provisional number and number. The frame before has
    // boxes of them.
    std::vector<std::pair<int, int>> confirmed;
  };
  // The next frame, `steps` after the one before: more than 1 where frames are missing in between.
  Step update(const std::vector<Observation>& observations, int steps = 1);

private:
  enum class State { fresh, followed, lost, gone };
  struct Track {
    int provisional = 0;
    int id = 0;  // 0: fresh
    int label = 0;
    State state = State::fresh;
    KalmanBox motion;
    int first_seen = 0;  // steps
    int last_seen = 0;
  };
  using Chosen = std::vector<std::size_t>;  // of tracks or observations, by index

  struct Matching {
    Chosen tracks;        // that found nothing
    Chosen observations;  // that were not found
  };
  enum class Cost { overlap, overlap_and_score };
  double cost_of(const Track& track, const Observation& observation, Cost cost) const;
  // Pairs the chosen ones whose cost is below `limit`, and updates the tracks.
  Matching match(const Chosen& tracks, const Chosen& found, Cost cost, double limit,
                 const std::vector<Observation>& observations, Step& step);
  void see(Track& track, std::size_t found, const std::vector<Observation>& observations,
           Step& step);
  // Gives a fresh track, seen again, its number: that of a lost one that it may be, or a new one.
  void confirm(Track& track, const Box& seen, Step& step);
  void begin(std::size_t found, const std::vector<Observation>& observations, Step& step);
  void drop_doubles();

  TrackerSettings settings_;
  std::vector<Track> tracks_;
  int now_ = 0;  // steps
  bool began_ = false;
  int last_provisional_ = 0;
  int last_id_ = 0;
};

}  // namespace infernode::tracking
