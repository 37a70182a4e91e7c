#include "inference/decoders/reading.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <stdexcept>

namespace infernode::inference {

void refuse_shape(const Tensor& tensor, const std::string& wanted) {
  throw UnfitModel(
      fmt::format("an output of the model is [{}], and its manifest's decoder and labels want {}",
                  fmt::join(tensor.shape, ", "), wanted));
}

void refuse_class(double class_number, std::size_t labels) {
  throw UnfitModel(fmt::format(
      "the model gives the class number {:g}, and its manifest's labels go from 0 to {}",
      class_number, labels - 1));
}

Rows rows_of(const Tensor& tensor, std::size_t width, const std::string& wanted) {
  const std::size_t last = tensor.shape.empty() ? 0 : static_cast<std::size_t>(tensor.shape.back());
  if (tensor.shape.size() < 2 || last == 0 || (width != 0 && last != width)) {
    refuse_shape(tensor, wanted);
  }
  const std::size_t count = tensor.values.size() / last;
  // All but the rows and their values are dimensions of one.
  if (static_cast<std::size_t>(tensor.shape[tensor.shape.size() - 2]) != count) {
    refuse_shape(tensor, wanted);
  }
  return {tensor.values, count, last};
}

std::span<const float> list_of(const Tensor& tensor, std::size_t count, const std::string& wanted) {
  if (tensor.values.size() != count) {
    refuse_shape(tensor, wanted);
  }
  return tensor.values;
}

Probabilities::Probabilities(std::span<const float> scores, Scores kind)
    : scores_{scores}, kind_{kind} {
  if (kind == Scores::softmax) {
    highest_ = *std::max_element(scores.begin(), scores.end());
    for (const float each : scores) {
      sum_ += std::exp(each - highest_);
    }
  }
}

double Probabilities::at(std::size_t index) const {
  const double score = scores_[index];
  switch (kind_) {
    case Scores::sigmoid:
      return sigmoid(score);
    case Scores::softmax:
      return std::exp(score - highest_) / sum_;
    default:
      return score;
  }
}

BestClass best_class(std::span<const float> scores, Scores kind, bool skip_first, bool skip_last) {
  const std::size_t first = skip_first ? 1 : 0;
  const std::size_t end = scores.size() - (skip_last ? 1 : 0);
  const auto best =
      static_cast<std::size_t>(std::max_element(scores.begin() + static_cast<std::ptrdiff_t>(first),
                                                scores.begin() + static_cast<std::ptrdiff_t>(end)) -
                               scores.begin());
  return {static_cast<int>(best - first), Probabilities{scores, kind}.at(best)};
}

Scale scale_of(const DecoderContext& context) {
  const bool shares = context.options.normalised;
  return {shares ? context.input_width : 1.0, shares ? context.input_height : 1.0};
}

bool add_keypoints(Candidate& found, std::size_t count,
                   const std::function<std::array<double, 3>(std::size_t)>& point, bool y_first,
                   Scale scale) {
  bool all_sound = true;
  for (std::size_t k = 0; k < count; ++k) {
    const auto values = point(k);
    if (!std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); })) {
      all_sound = false;
      found.keypoints.push_back(
          {(found.left + found.right) / 2, (found.top + found.bottom) / 2, 0});
      continue;
    }
    found.keypoints.push_back({values[y_first ? 1 : 0] * scale.x, values[y_first ? 0 : 1] * scale.y,
                               std::clamp<double>(values[2], 0, 1)});
  }
  return all_sound;
}

Candidate box_of(const BestClass& best, std::array<double, 4> values, BoxOrder order, Scale scale) {
  const auto [a, b, c, d] = values;
  switch (order) {
    case BoxOrder::yxyx:
      return {best.class_id, best.score, b * scale.x, a * scale.y, d * scale.x, c * scale.y};
    case BoxOrder::cxcywh:
      return centred_box(best, a, b, c, d, scale);
    default:
      return {best.class_id, best.score, a * scale.x, b * scale.y, c * scale.x, d * scale.y};
  }
}

Candidate centred_box(const BestClass& best, double x, double y, double width, double height,
                      Scale scale) {
  return {best.class_id,
          best.score,
          (x - width / 2) * scale.x,
          (y - height / 2) * scale.y,
          (x + width / 2) * scale.x,
          (y + height / 2) * scale.y};
}

}  // namespace infernode::inference
