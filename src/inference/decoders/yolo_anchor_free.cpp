#include <fmt/format.h>

#include "inference/decoders/boxes.hpp"
#include "inference/decoders/reading.hpp"

namespace infernode::inference {

std::vector<Candidate> decode_yolo_anchor_free(const std::vector<Tensor>& outputs,
                                               const DecoderContext& context) {
  const std::size_t values = 4 + context.label_count;
  const Tensor& output = outputs.at(0);
  const std::string wanted = fmt::format("[1, {0}, N] or [1, N, {0}]", values);
  const Rows matrix = rows_of(output, 0, wanted);
  const bool turned = matrix.count == values;  // a value of all boxes a row
  if (!turned && matrix.width != values) {
    refuse_shape(output, wanted);
  }
  const std::size_t boxes = turned ? matrix.width : matrix.count;
  const double scale_x = context.options.normalised ? context.input_width : 1;
  const double scale_y = context.options.normalised ? context.input_height : 1;
  std::vector<Candidate> candidates;
  for (std::size_t i = 0; i < boxes; ++i) {
    const auto value = [&](std::size_t j) -> double {
      return turned ? matrix.values[j * boxes + i] : matrix.values[i * values + j];
    };
    std::size_t best = 4;
    for (std::size_t j = 5; j < values; ++j) {
      best = value(j) > value(best) ? j : best;
    }
    const double score =
        context.options.scores == Scores::sigmoid ? sigmoid(value(best)) : value(best);
    add_candidate(candidates, context.confidence,
                  centred_box({static_cast<int>(best - 4), score}, value(0), value(1), value(2),
                              value(3), scale_x, scale_y));
  }
  return candidates;
}

}  // namespace infernode::inference
