#include <algorithm>

#include "inference/decoders/boxes.hpp"
#include "inference/decoders/reading.hpp"

namespace infernode::inference {

std::vector<Candidate> decode_labelled_boxes(const std::vector<Tensor>& outputs,
                                             const DecoderContext& context) {
  const auto& options = context.options;
  const Rows boxes = rows_of(outputs.at(0), 4, "boxes [1, N, 4]");
  const auto scores = list_of(outputs.at(1), boxes.count, "as many scores as boxes");
  const auto classes = list_of(outputs.at(2), boxes.count, "as many classes as boxes");
  std::size_t count = boxes.count;
  if (outputs.size() > 3) {
    const double said = list_of(outputs[3], 1, "one number of boxes").front();
    count = said > 0 ? std::min(count, static_cast<std::size_t>(std::min(said, 1e6))) : 0;
  }
  const Scale scale = scale_of(context);
  std::vector<Candidate> candidates;
  for (std::size_t i = 0; i < count; ++i) {
    const double class_number = static_cast<double>(classes[i]) - options.first_class;
    if (scores[i] >= context.confidence &&
        class_number >= static_cast<double>(context.label_count)) {
      refuse_class(class_number, context.label_count);
    }
    if (class_number >= 0 && class_number < static_cast<double>(context.label_count)) {
      const auto box = boxes.row(i);
      add_candidate(candidates, context.confidence,
                    box_of({static_cast<int>(class_number), scores[i]},
                           {box[0], box[1], box[2], box[3]}, options.box, scale));
    }
  }
  return candidates;
}

}  // namespace infernode::inference
