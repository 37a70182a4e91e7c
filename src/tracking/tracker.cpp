#include "tracking/tracker.hpp"

#include <algorithm>

#include "tracking/assignment.hpp"

namespace infernode::tracking {
namespace {

// ByteTrack's thresholds, as in its reference implementation.
constexpr double kMostFirstCost = 0.8;   // high scores with everything that is followed
constexpr double kMostSecondCost = 0.5;  // low scores with what is left of it
constexpr double kMostFreshCost = 0.7;   // high scores with what was seen once
constexpr double kMostDistance = 13.82;  // 99.9 % of chi-squared with two degrees of freedom
constexpr double kMostGrowth = 1.5;      // in height, of what comes back
constexpr double kLowScore = 0.1;        // less is not looked at
constexpr double kBeginAbove = 0.1;      // how far above high_score a track begins
constexpr double kNever = 1e9;           // a cost above every limit
constexpr double kDoubleOverlap = 0.85;  // of two tracks that follow one object

}  // namespace

void Tracker::see(Track& track, std::size_t found, const std::vector<Observation>& observations,
                  Step& step) {
  track.motion.update(observations[found].box);
  track.last_seen = now_;
  if (track.state == State::fresh) {
    confirm(track, observations[found].box, step);
  }
  track.state = State::followed;
  step.ids[found] = track.id;
  step.provisional[found] = track.provisional;
}

void Tracker::confirm(Track& track, const Box& seen, Step& step) {
  Track* back = nullptr;
  double least = kMostDistance;
  for (auto& lost : tracks_) {
    const double growth = seen.height / lost.motion.box().height;
    // What was seen in a frame beside it is another object.
    if (lost.state != State::lost || lost.label != track.label ||
        lost.last_seen >= track.first_seen || growth > kMostGrowth || growth < 1 / kMostGrowth) {
      continue;
    }
    const double distance = lost.motion.squared_distance(seen);
    if (distance < least) {
      least = distance;
      back = &lost;
    }
  }
  if (back != nullptr) {
    track.id = back->id;
    track.first_seen = back->first_seen;
    back->state = State::gone;
  } else {
    track.id = ++last_id_;
  }
  step.confirmed.emplace_back(track.provisional, track.id);
}

void Tracker::begin(std::size_t found, const std::vector<Observation>& observations, Step& step) {
  const auto& seen = observations[found];
  Track track{++last_provisional_, 0, seen.label, State::fresh, KalmanBox{seen.box}, now_, now_};
  step.provisional[found] = track.provisional;
  if (!began_) {
    // What is there in the first frame is known at once.
    confirm(track, seen.box, step);
    track.state = State::followed;
    step.ids[found] = track.id;
  }
  tracks_.push_back(track);
}

double Tracker::cost_of(const Track& track, const Observation& observation, Cost cost) const {
  if (observation.label != track.label) {
    return kNever;
  }
  const double overlap = intersection_over_union(track.motion.box(), observation.box);
  return 1 - overlap * (cost == Cost::overlap_and_score ? observation.score : 1);
}

Tracker::Matching Tracker::match(const Chosen& tracks, const Chosen& found, Cost cost, double limit,
                                 const std::vector<Observation>& observations, Step& step) {
  CostMatrix matrix{tracks.size(), found.size(), 0};
  for (std::size_t i = 0; i < tracks.size(); ++i) {
    for (std::size_t j = 0; j < found.size(); ++j) {
      matrix.at(i, j) = cost_of(tracks_[tracks[i]], observations[found[j]], cost);
    }
  }
  const auto pairs = assign(matrix, limit);
  Matching left;
  std::vector<bool> taken(found.size(), false);
  for (std::size_t i = 0; i < tracks.size(); ++i) {
    if (pairs[i] < 0) {
      left.tracks.push_back(tracks[i]);
    } else {
      const auto j = static_cast<std::size_t>(pairs[i]);
      taken[j] = true;
      see(tracks_[tracks[i]], found[j], observations, step);
    }
  }
  for (std::size_t j = 0; j < found.size(); ++j) {
    if (!taken[j]) {
      left.observations.push_back(found[j]);
    }
  }
  return left;
}

// Two tracks of one object: the one that has been followed for longer stays.
void Tracker::drop_doubles() {
  std::vector<bool> dropped(tracks_.size(), false);
  for (std::size_t i = 0; i < tracks_.size(); ++i) {
    for (std::size_t j = 0; j < tracks_.size(); ++j) {
      const Track& seen = tracks_[i];
      const Track& lost = tracks_[j];
      if (seen.state != State::followed || lost.state != State::lost || seen.label != lost.label ||
          intersection_over_union(seen.motion.box(), lost.motion.box()) <= kDoubleOverlap) {
        continue;
      }
      const bool seen_longer = seen.last_seen - seen.first_seen > lost.last_seen - lost.first_seen;
      dropped[seen_longer ? j : i] = true;
    }
  }
  std::size_t index = 0;
  std::erase_if(tracks_, [&](const Track&) { return dropped[index++]; });
}

Tracker::Step Tracker::update(const std::vector<Observation>& observations, int steps) {
  now_ += steps;
  Step step;
  step.ids.resize(observations.size());
  step.provisional.resize(observations.size(), 0);

  std::erase_if(tracks_,
                [&](const Track& track) { return now_ - track.last_seen > settings_.patience; });
  Chosen known;
  Chosen fresh;
  for (std::size_t i = 0; i < tracks_.size(); ++i) {
    auto& track = tracks_[i];
    for (int each = 0; each < std::min(steps, settings_.patience); ++each) {
      track.motion.predict(track.state != State::lost && each == 0);
    }
    (track.state == State::fresh ? fresh : known).push_back(i);
  }
  Chosen high;
  Chosen low;
  for (std::size_t i = 0; i < observations.size(); ++i) {
    if (observations[i].score >= settings_.high_score) {
      high.push_back(i);
    } else if (observations[i].score >= kLowScore) {
      low.push_back(i);
    }
  }

  const auto first =
      match(known, high, Cost::overlap_and_score, kMostFirstCost, observations, step);
  Chosen still_followed;
  std::copy_if(first.tracks.begin(), first.tracks.end(), std::back_inserter(still_followed),
               [&](std::size_t i) { return tracks_[i].state == State::followed; });
  const auto second =
      match(still_followed, low, Cost::overlap, kMostSecondCost, observations, step);
  for (const std::size_t i : second.tracks) {
    tracks_[i].state = State::lost;
  }
  const auto third =
      match(fresh, first.observations, Cost::overlap_and_score, kMostFreshCost, observations, step);
  // What was seen once and not again was nothing.
  for (const std::size_t i : third.tracks) {
    tracks_[i].state = State::gone;
  }
  std::erase_if(tracks_, [](const Track& track) { return track.state == State::gone; });
  drop_doubles();
  const double least = std::min(settings_.high_score + kBeginAbove, (1 + settings_.high_score) / 2);
  for (const std::size_t found : third.observations) {
    if (observations[found].score >= least) {
      begin(found, observations, step);
    }
  }
  began_ = began_ || !observations.empty();
  return step;
}

}  // namespace infernode::tracking
