#include "pipelines/detect/detector.hpp"

#include "inference/decoders/boxes.hpp"

namespace infernode::detect {

Detector::Detector(const inference::LoadedModel& loaded, double confidence,
                   std::vector<int> classes)
    : loaded_{loaded},
      confidence_{confidence},
      classes_{std::move(classes)},
      converter_{loaded.model.input_width, loaded.model.input_height} {}

std::vector<inference::Detection> Detector::detect(const media::DecodedFrame& frame) {
  converter_.convert(*frame.picture, frame.rotation, image_);
  input_.assign(image_.pixels.begin(), image_.pixels.end());
  const auto output = loaded_.session->run(input_);
  return inference::decode_boxes(output, loaded_.model, frame.width, frame.height, confidence_,
                                 classes_);
}

}  // namespace infernode::detect
