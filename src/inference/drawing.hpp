#pragma once

#include <string>
#include <vector>

#include "inference/detector.hpp"
#include "media/image.hpp"

namespace infernode::inference {

// Draws each detection's box with its label and confidence, in a colour of its class, at a size
// that stays readable whatever the frame's.
void draw_detections(media::Image& image, const std::vector<Detection>& detections,
                     const std::vector<std::string>& labels);

}  // namespace infernode::inference
