#include <fmt/format.h>

#include "inference/decoders/boxes.hpp"
#include "inference/decoders/reading.hpp"

namespace infernode::inference {
namespace {

std::vector<Candidate> decode_decoded(const Tensor& output, const DecoderContext& context) {
  const std::size_t width = 5 + context.label_count;
  const Rows rows = rows_of(output, width, fmt::format("[1, N, {}]", width));
  std::vector<Candidate> candidates;
  for (std::size_t i = 0; i < rows.count; ++i) {
    const auto row = rows.row(i);
    const double objectness =
        context.options.scores == Scores::sigmoid ? sigmoid(row[4]) : static_cast<double>(row[4]);
    if (!(objectness >= context.confidence)) {
      continue;
    }
    auto best = best_class(row.subspan(5), context.options.scores);
    best.score *= objectness;
    add_candidate(candidates, context.confidence,
                  centred_box(best, row[0], row[1], row[2], row[3]));
  }
  return candidates;
}

// Where the value of an anchor's cell stands: the values of a box lie behind each other, or a plane
// each.
struct Head {
  std::size_t anchors;
  std::size_t rows;
  std::size_t columns;
  std::size_t values;
  bool in_planes;

  std::size_t at(std::size_t anchor, std::size_t y, std::size_t x, std::size_t value) const {
    return in_planes ? ((anchor * values + value) * rows + y) * columns + x
                     : ((anchor * rows + y) * columns + x) * values + value;
  }
};

Head head_of(const Tensor& output, std::size_t anchors, std::size_t values) {
  const auto& shape = output.shape;
  const auto dimension = [&](std::size_t i) { return static_cast<std::size_t>(shape[i]); };
  if (shape.size() == 5 && dimension(0) == 1 && dimension(1) == anchors && dimension(4) == values) {
    return {anchors, dimension(2), dimension(3), values, false};
  }
  if (shape.size() == 4 && dimension(0) == 1 && dimension(1) == anchors * values) {
    return {anchors, dimension(2), dimension(3), values, true};
  }
  refuse_shape(
      output, fmt::format("[1, {}, H, W, {}] or [1, {}, H, W]", anchors, values, anchors * values));
}

void decode_head(const Tensor& output, const std::vector<double>& anchors, int stride,
                 const DecoderContext& context, std::vector<Candidate>& candidates) {
  const std::size_t values = 5 + context.label_count;
  const Head head = head_of(output, anchors.size() / 2, values);
  std::vector<float> scores(context.label_count);
  for (std::size_t anchor = 0; anchor < head.anchors; ++anchor) {
    for (std::size_t y = 0; y < head.rows; ++y) {
      for (std::size_t x = 0; x < head.columns; ++x) {
        const auto value = [&](std::size_t i) {
          return sigmoid(output.values[head.at(anchor, y, x, i)]);
        };
        const double objectness = value(4);
        if (!(objectness >= context.confidence)) {
          continue;
        }
        for (std::size_t i = 0; i < scores.size(); ++i) {
          scores[i] = output.values[head.at(anchor, y, x, 5 + i)];
        }
        auto best = best_class(scores, Scores::sigmoid);
        best.score *= objectness;
        const double width = 4 * value(2) * value(2) * anchors[2 * anchor];
        const double height = 4 * value(3) * value(3) * anchors[2 * anchor + 1];
        add_candidate(
            candidates, context.confidence,
            centred_box(best, (2 * value(0) - 0.5 + static_cast<double>(x)) * stride,
                        (2 * value(1) - 0.5 + static_cast<double>(y)) * stride, width, height));
      }
    }
  }
}

}  // namespace

std::vector<Candidate> decode_yolo_anchors(const std::vector<Tensor>& outputs,
                                           const DecoderContext& context) {
  const auto& options = context.options;
  if (options.anchors.empty()) {
    return decode_decoded(outputs.at(0), context);
  }
  std::vector<Candidate> candidates;
  for (std::size_t level = 0; level < options.anchors.size(); ++level) {
    decode_head(outputs.at(level), options.anchors[level], options.strides.at(level), context,
                candidates);
  }
  return candidates;
}

}  // namespace infernode::inference
