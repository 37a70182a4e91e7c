#pragma once

#include <memory>
#include <string>
#include <vector>

#include "inference/model_catalogue.hpp"
#include "inference/onnx_session.hpp"
#include "media/image.hpp"

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

// Reads the output rows of a `top_k_boxes` model, each x1, y1, x2, y2 (pixels of the model's
// input), score, class. Keeps rows with at least `confidence` whose class is in `classes` (all if
// empty), scaled to a frame of frame_width x frame_height and clipped to it, best first.
std::vector<Detection> decode_top_k_boxes(const std::vector<float>& output, const Model& model,
                                          int frame_width, int frame_height, double confidence,
                                          const std::vector<int>& classes);

// Finds objects in frames. detect() may be called by several threads at once, each with its own
// converter and buffers (Scratch).
class Detector {
public:
  struct Scratch {
    std::unique_ptr<media::FrameConverter> converter;
    media::Image image;
    std::vector<float> input;
  };

  // `threads`: inside one detect().
  Detector(Model model, int threads, Device device);

  std::vector<Detection> detect(const AVFrame& frame, double confidence,
                                const std::vector<int>& classes, Scratch& scratch) const;
  const Model& model() const { return model_; }
  const std::string& provider() const { return session_.provider(); }

private:
  Model model_;
  OnnxSession session_;
};

}  // namespace infernode::inference
