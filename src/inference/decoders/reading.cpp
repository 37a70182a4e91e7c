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

Candidate centred_box(const BestClass& best, double x, double y, double width, double height,
                      double scale_x, double scale_y) {
  return {best.class_id,
          best.score,
          (x - width / 2) * scale_x,
          (y - height / 2) * scale_y,
          (x + width / 2) * scale_x,
          (y + height / 2) * scale_y};
}

}  // namespace infernode::inference
