#include "inference/decoders/suppression.hpp"

#include <algorithm>
#include <cmath>

namespace infernode::inference {
namespace {

constexpr std::size_t kMostLookedAt = 4096;

std::vector<Candidate> suppress_greedily(const std::vector<Candidate>& sorted,
                                         const Suppression& rules) {
  const bool any_class = rules.kind == SuppressionKind::class_agnostic;
  std::vector<Candidate> kept;
  for (const auto& candidate : sorted) {
    if (kept.size() == static_cast<std::size_t>(rules.most)) {
      break;
    }
    const bool is_another = std::none_of(kept.begin(), kept.end(), [&](const Candidate& better) {
      return (any_class || better.class_id == candidate.class_id) &&
             intersection_over_union(better.box(), candidate.box()) > rules.iou;
    });
    if (is_another) {
      kept.push_back(candidate);
    }
  }
  return kept;
}

std::vector<Candidate> suppress_softly(std::vector<Candidate> left, const Suppression& rules,
                                       double confidence) {
  std::vector<Candidate> kept;
  while (!left.empty() && kept.size() < static_cast<std::size_t>(rules.most)) {
    const auto best =
        std::max_element(left.begin(), left.end(),
                         [](const Candidate& a, const Candidate& b) { return a.score < b.score; });
    const Candidate chosen = *best;
    left.erase(best);
    kept.push_back(chosen);
    for (auto& other : left) {
      if (other.class_id == chosen.class_id) {
        const double overlap = intersection_over_union(chosen.box(), other.box());
        other.score *= std::exp(-overlap * overlap / rules.sigma);
      }
    }
    std::erase_if(left, [&](const Candidate& other) { return !(other.score >= confidence); });
  }
  return kept;
}

Candidate blended(const std::vector<Candidate>& group) {
  Candidate mean = group.front();
  double sum = 0;
  for (const auto& each : group) {
    sum += each.score;
  }
  if (!(sum > 0)) {
    return mean;
  }
  const auto blend = [&](auto&& value_of) {
    double value = 0;
    for (const auto& each : group) {
      value += value_of(each) * (each.score / sum);
    }
    return value;
  };
  mean.left = blend([](const Candidate& each) { return each.left; });
  mean.top = blend([](const Candidate& each) { return each.top; });
  mean.right = blend([](const Candidate& each) { return each.right; });
  mean.bottom = blend([](const Candidate& each) { return each.bottom; });
  for (std::size_t i = 0; i < mean.keypoints.size(); ++i) {
    mean.keypoints[i].x = blend([i](const Candidate& each) { return each.keypoints[i].x; });
    mean.keypoints[i].y = blend([i](const Candidate& each) { return each.keypoints[i].y; });
  }
  return mean;
}

std::vector<Candidate> suppress_by_blending(std::vector<Candidate> left, const Suppression& rules) {
  std::vector<Candidate> kept;
  while (!left.empty() && kept.size() < static_cast<std::size_t>(rules.most)) {
    const Candidate best = left.front();
    const auto rest = std::stable_partition(left.begin(), left.end(), [&](const Candidate& other) {
      return other.class_id == best.class_id &&
             intersection_over_union(best.box(), other.box()) > rules.iou;
    });
    // With an iou of 1 not even the best overlaps itself by more.
    const auto end = std::max(rest, left.begin() + 1);
    kept.push_back(blended({left.begin(), end}));
    left.erase(left.begin(), end);
  }
  return kept;
}

}  // namespace

void add_candidate(std::vector<Candidate>& candidates, double confidence, const Candidate& added) {
  const bool is_box = std::isfinite(added.left) && std::isfinite(added.top) &&
                      std::isfinite(added.right) && std::isfinite(added.bottom) &&
                      added.right > added.left && added.bottom > added.top;
  if (is_box && added.score >= confidence) {
    candidates.push_back(added);
  }
}

std::vector<Candidate> suppress(std::vector<Candidate> candidates, const Suppression& rules,
                                double confidence) {
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Candidate& a, const Candidate& b) { return a.score > b.score; });
  candidates.resize(std::min(candidates.size(), kMostLookedAt));
  switch (rules.kind) {
    case SuppressionKind::none:
      candidates.resize(std::min(candidates.size(), static_cast<std::size_t>(rules.most)));
      return candidates;
    case SuppressionKind::soft:
      return suppress_softly(std::move(candidates), rules, confidence);
    case SuppressionKind::blend:
      return suppress_by_blending(std::move(candidates), rules);
    default:
      return suppress_greedily(candidates, rules);
  }
}

}  // namespace infernode::inference
