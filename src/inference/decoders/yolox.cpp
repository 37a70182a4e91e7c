#include <fmt/format.h>

#include "inference/decoders/boxes.hpp"
#include "inference/decoders/reading.hpp"

namespace infernode::inference {

std::vector<Candidate> decode_yolox(const std::vector<Tensor>& outputs,
                                    const DecoderContext& context) {
  const std::size_t width = 5 + context.label_count;
  const Rows rows = rows_of(outputs.at(0), width, fmt::format("[1, N, {}]", width));
  std::size_t cells = 0;
  for (const int stride : context.options.strides) {
    cells += static_cast<std::size_t>(context.input_width / stride) *
             static_cast<std::size_t>(context.input_height / stride);
  }
  if (cells != rows.count) {
    refuse_shape(outputs[0], fmt::format("[1, {}, {}] by its strides", cells, width));
  }
  std::vector<Candidate> candidates;
  std::size_t index = 0;
  for (const int stride : context.options.strides) {
    for (int y = 0; y < context.input_height / stride; ++y) {
      for (int x = 0; x < context.input_width / stride; ++x) {
        const auto row = rows.row(index++);
        const double objectness = context.options.scores == Scores::sigmoid
                                      ? sigmoid(row[4])
                                      : static_cast<double>(row[4]);
        if (!(objectness >= context.confidence)) {
          continue;
        }
        auto best = best_class(row.subspan(5), context.options.scores);
        best.score *= objectness;
        const auto size = [&](std::size_t i) { return std::exp(static_cast<double>(row[i])); };
        add_candidate(
            candidates, context.confidence,
            centred_box(best, static_cast<double>(row[0]) + x, static_cast<double>(row[1]) + y,
                        size(2), size(3), {1.0 * stride, 1.0 * stride}));
      }
    }
  }
  return candidates;
}

}  // namespace infernode::inference
