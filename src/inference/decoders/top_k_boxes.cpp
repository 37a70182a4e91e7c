#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "inference/decoders/boxes.hpp"

namespace infernode::inference {
namespace {

constexpr std::size_t kRowFloats = 6;

double rounded(double value, double steps) {
  return std::round(value * steps) / steps;
}

}  // namespace

std::vector<Detection> decode_top_k_boxes(const std::vector<float>& output, const Model& model,
                                          int frame_width, int frame_height, double confidence,
                                          const std::vector<int>& classes) {
  if (output.size() != static_cast<std::size_t>(model.output_rows) * kRowFloats) {
    throw std::runtime_error("the model's output does not have the size its manifest names");
  }
  const double scale_x = static_cast<double>(frame_width) / model.input_width;
  const double scale_y = static_cast<double>(frame_height) / model.input_height;
  std::vector<Detection> detections;
  for (std::size_t row = 0; row < output.size(); row += kRowFloats) {
    const double score = output[row + 4];
    const double class_number = output[row + 5];
    if (!(score >= confidence) || !(class_number >= 0) ||
        class_number >= static_cast<double>(model.labels.size())) {
      continue;
    }
    const int class_id = static_cast<int>(class_number);
    if (!classes.empty() && std::find(classes.begin(), classes.end(), class_id) == classes.end()) {
      continue;
    }
    const auto x_in_frame = [&](float x) {
      return std::clamp(x * scale_x, 0.0, 1.0 * frame_width);
    };
    const auto y_in_frame = [&](float y) {
      return std::clamp(y * scale_y, 0.0, 1.0 * frame_height);
    };
    const double left = x_in_frame(output[row]);
    const double top = y_in_frame(output[row + 1]);
    const double right = x_in_frame(output[row + 2]);
    const double bottom = y_in_frame(output[row + 3]);
    if (!(right > left) || !(bottom > top)) {
      continue;
    }
    // Hundredths of a pixel and ten-thousandths of confidence: more digits would be noise.
    detections.push_back(Detection{class_id, rounded(score, 1e4), rounded(left, 100),
                                   rounded(top, 100), rounded(right - left, 100),
                                   rounded(bottom - top, 100)});
  }
  std::stable_sort(
      detections.begin(), detections.end(),
      [](const Detection& a, const Detection& b) { return a.confidence > b.confidence; });
  return detections;
}

}  // namespace infernode::inference
