#include <fmt/format.h>

#include "inference/decoders/boxes.hpp"
#include "inference/decoders/reading.hpp"

namespace infernode::inference {

std::vector<Candidate> decode_scored_boxes(const std::vector<Tensor>& outputs,
                                           const DecoderContext& context) {
  const auto& options = context.options;
  const std::size_t classes = context.label_count + (options.background ? 1 : 0);
  const Rows boxes = rows_of(outputs.at(0), 4, "boxes [1, N, 4]");
  const std::string wanted =
      fmt::format("scores [1, {1}, {0}] or [1, {0}, {1}]", classes, boxes.count);
  const Rows matrix = rows_of(outputs.at(1), 0, wanted);
  const bool turned = matrix.width != classes || matrix.count != boxes.count;
  if (turned && (matrix.width != boxes.count || matrix.count != classes)) {
    refuse_shape(outputs[1], wanted);
  }
  const Scale scale = scale_of(context);
  std::vector<float> column(turned ? classes : 0);
  std::vector<Candidate> candidates;
  for (std::size_t i = 0; i < boxes.count; ++i) {
    for (std::size_t j = 0; j < column.size(); ++j) {
      column[j] = matrix.values[j * boxes.count + i];
    }
    const auto best = best_class(turned ? std::span<const float>{column} : matrix.row(i),
                                 options.scores, options.background);
    const auto box = boxes.row(i);
    add_candidate(candidates, context.confidence,
                  box_of(best, {box[0], box[1], box[2], box[3]}, options.box, scale));
  }
  return candidates;
}

}  // namespace infernode::inference
