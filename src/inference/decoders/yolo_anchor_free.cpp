#include <fmt/format.h>

#include "inference/decoders/boxes.hpp"
#include "inference/decoders/reading.hpp"

namespace infernode::inference {

std::vector<Candidate> decode_yolo_anchor_free(const std::vector<Tensor>& outputs,
                                               const DecoderContext& context) {
  const std::size_t scores_end = 4 + context.label_count;
  const std::size_t values = scores_end + 3 * context.keypoint_count;
  const Tensor& output = outputs.at(0);
  const std::string wanted = fmt::format("[1, {0}, N] or [1, N, {0}]", values);
  const Rows matrix = rows_of(output, 0, wanted);
  const bool turned = matrix.count == values;  // a value of all boxes a row
  if (!turned && matrix.width != values) {
    refuse_shape(output, wanted);
  }
  const std::size_t boxes = turned ? matrix.width : matrix.count;
  const Scale scale = scale_of(context);
  const auto probability = [&](double score) {
    return context.options.scores == Scores::sigmoid ? sigmoid(score) : score;
  };
  std::vector<Candidate> candidates;
  for (std::size_t i = 0; i < boxes; ++i) {
    const auto value = [&](std::size_t j) -> double {
      return turned ? matrix.values[j * boxes + i] : matrix.values[i * values + j];
    };
    std::size_t best = 4;
    for (std::size_t j = 5; j < scores_end; ++j) {
      best = value(j) > value(best) ? j : best;
    }
    const double score = probability(value(best));
    if (!(score >= context.confidence)) {
      continue;
    }
    auto found = box_of({static_cast<int>(best - 4), score},
                        {value(0), value(1), value(2), value(3)}, BoxOrder::cxcywh, scale);
    const auto point = [&](std::size_t k) -> std::array<double, 3> {
      const std::size_t at = scores_end + 3 * k;
      return {value(at), value(at + 1), probability(value(at + 2))};
    };
    add_keypoints(found, context.keypoint_count, point, false, scale);
    add_candidate(candidates, context.confidence, found);
  }
  return candidates;
}

}  // namespace infernode::inference
