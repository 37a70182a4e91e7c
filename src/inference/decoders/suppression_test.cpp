// Goal: what is left of overlapping boxes is what the definition says.
// Method: 10,000 random cases against the definition written out, and small ones by hand.
#include "inference/decoders/suppression.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

namespace infernode::inference {
namespace {

using Boxes = std::vector<Candidate>;

// By its score each; of one box it is that box.
Candidate weighted_mean(const Boxes& group) {
  if (group.size() == 1) {
    return group.front();
  }
  Candidate mean = group.front();
  mean.left = mean.top = mean.right = mean.bottom = 0;
  double sum = 0;
  for (const auto& box : group) {
    sum += box.score;
    mean.left += box.score * box.left;
    mean.top += box.score * box.top;
    mean.right += box.score * box.right;
    mean.bottom += box.score * box.bottom;
  }
  mean.left /= sum;
  mean.top /= sum;
  mean.right /= sum;
  mean.bottom /= sum;
  return mean;
}

// Of the boxes left, the best one stays and acts on all others; again until none is left.
Boxes by_definition(Boxes left, const Suppression& rules, double confidence) {
  Boxes kept;
  while (!left.empty() && kept.size() < static_cast<std::size_t>(rules.most)) {
    std::size_t best = 0;
    for (std::size_t i = 1; i < left.size(); ++i) {
      best = left[i].score > left[best].score ? i : best;
    }
    const Candidate chosen = left[best];
    Boxes group{chosen};
    Boxes next;
    for (std::size_t i = 0; i < left.size(); ++i) {
      if (i == best) {
        continue;
      }
      Candidate other = left[i];
      // By counting areas in another way than the code does.
      const double wide =
          std::max(0.0, std::min(chosen.right, other.right) - std::max(chosen.left, other.left));
      const double high =
          std::max(0.0, std::min(chosen.bottom, other.bottom) - std::max(chosen.top, other.top));
      const double both = (chosen.right - chosen.left) * (chosen.bottom - chosen.top) +
                          (other.right - other.left) * (other.bottom - other.top);
      const double overlap = wide * high / (both - wide * high);
      const bool same = chosen.class_id == other.class_id;
      switch (rules.kind) {
        case SuppressionKind::none:
          break;
        case SuppressionKind::class_aware:
          if (same && overlap > rules.iou) {
            continue;
          }
          break;
        case SuppressionKind::class_agnostic:
          if (overlap > rules.iou) {
            continue;
          }
          break;
        case SuppressionKind::soft:
          if (same) {
            other.score *= std::exp(-overlap * overlap / rules.sigma);
          }
          if (other.score < confidence) {
            continue;
          }
          break;
        case SuppressionKind::blend:
          if (same && overlap > rules.iou) {
            group.push_back(other);
            continue;
          }
          break;
      }
      next.push_back(other);
    }
    left = std::move(next);
    kept.push_back(weighted_mean(group));
  }
  return kept;
}

TEST(Suppression, IsWhatItsDefinitionSays) {
  std::mt19937 random{3};
  // Whole numbers: overlaps and scores are often equal.
  const auto number = [&](int most) { return static_cast<double>(random() % (most + 1)); };
  for (int round = 0; round < 10000; ++round) {
    Boxes boxes;
    for (int i = static_cast<int>(number(30)); i > 0; --i) {
      const double left = number(20);
      const double top = number(20);
      boxes.push_back({static_cast<int>(number(2)), (1 + number(19)) / 20, left, top,
                       left + 1 + number(12), top + 1 + number(12)});
    }
    Suppression rules;
    rules.kind = static_cast<SuppressionKind>(round % 5);
    rules.iou = number(10) / 10;
    rules.sigma = 0.1 + number(10) / 10;
    rules.most = 1 + static_cast<int>(number(20));
    const double confidence = number(10) / 20;
    std::erase_if(boxes, [&](const Candidate& box) { return box.score < confidence; });
    const auto expected = by_definition(boxes, rules, confidence);
    const auto kept = suppress(boxes, rules, confidence);
    ASSERT_EQ(kept.size(), expected.size()) << "round " << round;
    for (std::size_t i = 0; i < kept.size(); ++i) {
      EXPECT_EQ(kept[i].class_id, expected[i].class_id);
      EXPECT_DOUBLE_EQ(kept[i].score, expected[i].score);
      EXPECT_NEAR(kept[i].left, expected[i].left, 1e-9);
      EXPECT_NEAR(kept[i].bottom, expected[i].bottom, 1e-9);
    }
  }
}

TEST(Boxes, Overlap) {
  const Box box{0, 0, 10, 10};
  EXPECT_DOUBLE_EQ(intersection_over_union(box, box), 1);
  EXPECT_DOUBLE_EQ(intersection_over_union(box, {5, 0, 10, 10}), 1.0 / 3);
  EXPECT_DOUBLE_EQ(intersection_over_union(box, {10, 0, 10, 10}), 0);
}

// However many boxes a model makes up, no frame takes for ever.
TEST(Suppression, LooksAtABoundedNumber) {
  Boxes boxes;
  for (int i = 0; i < 200000; ++i) {
    boxes.push_back({0, 0.5, 2.0 * i, 0, 2.0 * i + 1, 1});
  }
  Suppression rules;
  rules.kind = SuppressionKind::class_aware;
  EXPECT_EQ(suppress(boxes, rules, 0).size(), 300U);
  rules.kind = SuppressionKind::soft;
  EXPECT_EQ(suppress(boxes, rules, 0).size(), 300U);
}

}  // namespace
}  // namespace infernode::inference
