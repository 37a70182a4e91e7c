#include "pipelines/detector.hpp"

namespace infernode {

Detector::Detector(const inference::LoadedModel& loaded, double confidence,
                   std::vector<int> classes)
    : loaded_{loaded},
      confidence_{confidence},
      classes_{std::move(classes)},
      preprocessor_{loaded.model.input} {}

std::vector<inference::Detection> Detector::detect(const media::DecodedFrame& frame) {
  auto& input = preprocessor_.prepare(frame);
  const auto outputs = loaded_.session->run(input.values, input.shape);
  return inference::find_boxes(outputs, loaded_.model, input.placement, confidence_, classes_);
}

}  // namespace infernode
