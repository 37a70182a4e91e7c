#include <algorithm>

#include "inference/decoders/boxes.hpp"
#include "inference/decoders/reading.hpp"

namespace infernode::inference {
namespace {

Candidate corners(std::span<const float> box, BoxOrder order) {
  const double a = box[0];
  const double b = box[1];
  const double c = box[2];
  const double d = box[3];
  switch (order) {
    case BoxOrder::yxyx:
      return {0, 0, b, a, d, c};
    case BoxOrder::cxcywh:
      return centred_box({}, a, b, c, d);
    default:
      return {0, 0, a, b, c, d};
  }
}

}  // namespace

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
  const double scale_x = options.normalised ? context.input_width : 1;
  const double scale_y = options.normalised ? context.input_height : 1;
  std::vector<Candidate> candidates;
  for (std::size_t i = 0; i < count; ++i) {
    const double class_number = static_cast<double>(classes[i]) - options.first_class;
    if (scores[i] >= context.confidence &&
        class_number >= static_cast<double>(context.label_count)) {
      refuse_class(class_number, context.label_count);
    }
    if (class_number >= 0 && class_number < static_cast<double>(context.label_count)) {
      Candidate box = corners(boxes.row(i), options.box);
      box.class_id = static_cast<int>(class_number);
      box.score = scores[i];
      box.left *= scale_x;
      box.right *= scale_x;
      box.top *= scale_y;
      box.bottom *= scale_y;
      add_candidate(candidates, context.confidence, box);
    }
  }
  return candidates;
}

}  // namespace infernode::inference
