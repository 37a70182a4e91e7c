#pragma once

#include <stdexcept>
#include <vector>

#include "inference/model.hpp"

namespace infernode::inference {

// An object found in a frame; the box in pixels of the video, inside the frame.
struct Detection {
  int class_id = 0;
  double confidence = 0;  // 0..1
  double x = 0;
  double y = 0;
  double width = 0;
  double height = 0;
};

// Decoders: one a file. Each reads a model's flattened output and keeps what has at least
// `confidence` and whose class is in `classes` (all if empty), scaled to a frame of frame_width x
// frame_height pixels and clipped to it, best first. Each throws std::runtime_error for an output
// of another size than the manifest names.

// Rows of x1, y1, x2, y2 (pixels of the model's input), score, class.
std::vector<Detection> decode_top_k_boxes(const std::vector<float>& output, const Model& model,
                                          int frame_width, int frame_height, double confidence,
                                          const std::vector<int>& classes);

// By the decoder that the model's manifest names.
inline std::vector<Detection> decode_boxes(const std::vector<float>& output, const Model& model,
                                           int frame_width, int frame_height, double confidence,
                                           const std::vector<int>& classes) {
  switch (model.decoder) {
    case Decoder::top_k_boxes:
      return decode_top_k_boxes(output, model, frame_width, frame_height, confidence, classes);
  }
  throw std::logic_error("no such decoder");
}

}  // namespace infernode::inference
