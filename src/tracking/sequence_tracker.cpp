#include "tracking/sequence_tracker.hpp"

#include <algorithm>
#include <utility>

namespace infernode::tracking {

void SequenceTracker::find(int id, const Observation& found, int at) {
  const Seen seen{at, found.box, found.score};
  const auto [known, is_new] = last_seen_.emplace(id, seen);
  const Seen before = std::exchange(known->second, seen);
  if (is_new) {
    return;
  }
  for (auto pending = pending_.rbegin(); pending != pending_.rend() && pending->at > before.at;
       ++pending) {
    if (pending->at >= at) {
      continue;
    }
    const double share =
        static_cast<double>(pending->at - before.at) / static_cast<double>(at - before.at);
    const auto between = [&](double Box::*side) {
      return before.box.*side + share * (found.box.*side - before.box.*side);
    };
    pending->frame.filled.push_back(
        {id,
         found.label,
         std::min(before.score, found.score),
         {between(&Box::left), between(&Box::top), between(&Box::width), between(&Box::height)}});
  }
}

std::vector<TrackedFrame> SequenceTracker::push(std::vector<Observation> observations, int steps) {
  now_ += steps;
  auto step = tracker_.update(observations, steps);
  if (!pending_.empty()) {
    auto& before = pending_.back();
    for (const auto& [provisional, id] : step.confirmed) {
      const auto found =
          std::find(before.provisional.begin(), before.provisional.end(), provisional);
      if (found != before.provisional.end()) {
        const auto index = static_cast<std::size_t>(found - before.provisional.begin());
        before.frame.ids[index] = id;
        find(id, before.frame.observations[index], before.at);
      }
    }
  }
  for (std::size_t i = 0; i < observations.size(); ++i) {
    if (step.ids[i]) {
      find(*step.ids[i], observations[i], now_);
    }
  }
  std::erase_if(last_seen_, [&](const auto& seen) { return now_ - seen.second.at > patience_; });
  pending_.push_back(
      {{std::move(observations), std::move(step.ids), {}}, std::move(step.provisional), now_});
  std::vector<TrackedFrame> finished;
  // Whoever is found again was seen no longer ago than that.
  while (pending_.size() > 1 && now_ - pending_.front().at > patience_) {
    finished.push_back(std::move(pending_.front().frame));
    pending_.pop_front();
  }
  return finished;
}

std::vector<TrackedFrame> SequenceTracker::finish() {
  std::vector<TrackedFrame> finished;
  for (auto& pending : pending_) {
    finished.push_back(std::move(pending.frame));
  }
  pending_.clear();
  return finished;
}

}  // namespace infernode::tracking
