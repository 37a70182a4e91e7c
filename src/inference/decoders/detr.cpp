#include <fmt/format.h>

#include "inference/decoders/boxes.hpp"
#include "inference/decoders/reading.hpp"

namespace infernode::inference {

std::vector<Candidate> decode_detr(const std::vector<Tensor>& outputs,
                                   const DecoderContext& context) {
  const bool has_nothing_class = context.options.scores == Scores::softmax;
  const std::size_t classes = context.label_count + (has_nothing_class ? 1 : 0);
  const Rows scores = rows_of(outputs.at(0), classes, fmt::format("scores [1, N, {}]", classes));
  const Rows boxes = rows_of(outputs.at(1), 4, "boxes [1, N, 4]");
  if (boxes.count != scores.count) {
    refuse_shape(outputs[1], "as many boxes as scores");
  }
  const Scale scale{1.0 * context.input_width, 1.0 * context.input_height};
  std::vector<Candidate> candidates;
  for (std::size_t i = 0; i < scores.count; ++i) {
    const auto best = best_class(scores.row(i), context.options.scores, false, has_nothing_class);
    const auto box = boxes.row(i);
    add_candidate(candidates, context.confidence,
                  centred_box(best, box[0], box[1], box[2], box[3], scale));
  }
  return candidates;
}

}  // namespace infernode::inference
