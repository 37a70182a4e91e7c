#include "inference/decoders/boxes.hpp"
#include "inference/decoders/reading.hpp"

namespace infernode::inference {

std::vector<Candidate> decode_top_k_boxes(const std::vector<Tensor>& outputs,
                                          const DecoderContext& context) {
  const Rows rows = rows_of(outputs.at(0), 6, "[1, N, 6]");
  const double scale_x = context.options.normalised ? context.input_width : 1;
  const double scale_y = context.options.normalised ? context.input_height : 1;
  std::vector<Candidate> candidates;
  for (std::size_t i = 0; i < rows.count; ++i) {
    const auto row = rows.row(i);
    const double class_number = row[5];
    if (row[4] >= context.confidence && class_number >= static_cast<double>(context.label_count)) {
      refuse_class(class_number, context.label_count);
    }
    if (class_number >= 0 && class_number < static_cast<double>(context.label_count)) {
      add_candidate(candidates, context.confidence,
                    {static_cast<int>(class_number), row[4], row[0] * scale_x, row[1] * scale_y,
                     row[2] * scale_x, row[3] * scale_y});
    }
  }
  return candidates;
}

}  // namespace infernode::inference
