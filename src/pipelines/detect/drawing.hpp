#pragma once

#include <string>
#include <vector>

#include "inference/decoders/boxes.hpp"
#include "media/image.hpp"

namespace infernode::detect {

// Draws each detection's box with its label and confidence, in a colour of its class, at a size
// that stays readable whatever the frame's.
void draw_detections(media::Image& image, const std::vector<inference::Detection>& detections,
                     const std::vector<std::string>& labels);

}  // namespace infernode::detect
