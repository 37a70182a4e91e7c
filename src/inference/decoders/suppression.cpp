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
    default:
      return suppress_greedily(candidates, rules);
  }
}

}  // namespace infernode::inference
