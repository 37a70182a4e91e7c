#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "inference/decoders/boxes.hpp"
#include "inference/decoders/reading.hpp"

namespace infernode::inference {
namespace {

constexpr double kLeastScoreInBox = 0.3;

}  // namespace

std::vector<Candidate> decode_keypoints(const std::vector<Tensor>& outputs,
                                        const DecoderContext& context) {
  const std::size_t count = context.keypoint_count;
  const std::string wanted = fmt::format("[1, N, {}, 3]", count);
  const auto& tensor = outputs.at(0);
  const auto& shape = tensor.shape;
  const std::size_t each = count * 3;
  if (shape.size() < 3 || shape.back() != 3 || each == 0 ||
      shape[shape.size() - 2] != static_cast<std::int64_t>(count) ||
      tensor.values.size() % each != 0) {
    refuse_shape(tensor, wanted);
  }
  const bool y_first = context.options.box == BoxOrder::yxyx;
  const double scale_x = context.options.normalised ? context.input_width : 1;
  const double scale_y = context.options.normalised ? context.input_height : 1;
  std::vector<Candidate> candidates;
  for (std::size_t start = 0; start < tensor.values.size(); start += each) {
    Candidate found{0, 0, HUGE_VAL, HUGE_VAL, -HUGE_VAL, -HUGE_VAL};
    bool is_sound = true;
    for (std::size_t i = 0; i < count; ++i) {
      const auto value = std::span<const float>{tensor.values}.subspan(start + 3 * i, 3);
      const double x = value[y_first ? 1 : 0] * scale_x;
      const double y = value[y_first ? 0 : 1] * scale_y;
      const double score = std::clamp<double>(value[2], 0, 1);
      is_sound = is_sound && std::isfinite(x) && std::isfinite(y) && std::isfinite(value[2]);
      found.keypoints.push_back({x, y, score});
      found.score += score / static_cast<double>(count);
      if (score >= kLeastScoreInBox) {
        found.left = std::min(found.left, x);
        found.top = std::min(found.top, y);
        found.right = std::max(found.right, x);
        found.bottom = std::max(found.bottom, y);
      }
    }
    if (is_sound) {
      add_candidate(candidates, context.confidence, found);
    }
  }
  return candidates;
}

}  // namespace infernode::inference
