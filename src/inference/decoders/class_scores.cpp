#include <fmt/format.h>

#include "inference/decoders/boxes.hpp"
#include "inference/decoders/reading.hpp"

namespace infernode::inference {

std::vector<Candidate> decode_class_scores(const std::vector<Tensor>& outputs,
                                           const DecoderContext& context) {
  const std::size_t first = context.options.background ? 1 : 0;
  const std::size_t count = context.label_count + first;
  const auto scores = list_of(outputs.at(0), count, fmt::format("[1, {}]", count));
  const Probabilities probabilities{scores, context.options.scores};
  std::vector<Candidate> candidates;
  for (std::size_t i = first; i < count; ++i) {
    add_candidate(candidates, context.confidence,
                  {static_cast<int>(i - first), probabilities.at(i), 0, 0,
                   1.0 * context.input_width, 1.0 * context.input_height});
  }
  return candidates;
}

}  // namespace infernode::inference
