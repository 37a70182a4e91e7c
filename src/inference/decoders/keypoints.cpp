#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "inference/decoders/boxes.hpp"
#include "inference/decoders/reading.hpp"

namespace infernode::inference {
namespace {

constexpr double kLeastScoreInBox = 0.3;

// The box and score of one that has only its keypoints.
void enclose(Candidate& found) {
  found.left = found.top = HUGE_VAL;
  found.right = found.bottom = -HUGE_VAL;
  for (const auto& point : found.keypoints) {
    const double score = point.confidence.value();
    found.score += score / static_cast<double>(found.keypoints.size());
    if (score >= kLeastScoreInBox) {
      found.left = std::min(found.left, point.x);
      found.top = std::min(found.top, point.y);
      found.right = std::max(found.right, point.x);
      found.bottom = std::max(found.bottom, point.y);
    }
  }
}

}  // namespace

std::vector<Candidate> decode_keypoints(const std::vector<Tensor>& outputs,
                                        const DecoderContext& context) {
  const std::size_t count = context.keypoint_count;
  const auto& tensor = outputs.at(0);
  const auto& shape = tensor.shape;
  const std::size_t points = 3 * count;
  const bool has_boxes = !shape.empty() && shape.back() == static_cast<std::int64_t>(points + 5);
  const bool has_points = shape.size() >= 3 && shape.back() == 3 &&
                          shape[shape.size() - 2] == static_cast<std::int64_t>(count);
  const std::size_t each = has_boxes ? points + 5 : points;
  if (count == 0 || !(has_boxes || has_points) || tensor.values.size() % each != 0) {
    refuse_shape(tensor, fmt::format("[1, N, {}, 3] or [1, N, {}]", count, points + 5));
  }
  const BoxOrder order = context.options.box;
  const Scale scale = scale_of(context);
  std::vector<Candidate> candidates;
  for (std::size_t start = 0; start < tensor.values.size(); start += each) {
    const auto row = std::span<const float>{tensor.values}.subspan(start, each);
    const auto point = [&](std::size_t k) -> std::array<double, 3> {
      return {row[3 * k], row[3 * k + 1], row[3 * k + 2]};
    };
    Candidate found;
    if (has_boxes) {
      const auto box = row.subspan(points);
      found = box_of({0, box[4]}, {box[0], box[1], box[2], box[3]}, order, scale);
    }
    const bool sound = add_keypoints(found, count, point, order == BoxOrder::yxyx, scale);
    if (!has_boxes) {
      if (!sound) {
        continue;
      }
      enclose(found);
    }
    add_candidate(candidates, context.confidence, found);
  }
  return candidates;
}

}  // namespace infernode::inference
