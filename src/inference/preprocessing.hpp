#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "inference/model.hpp"
#include "media/frame_reader.hpp"
#include "media/image.hpp"

namespace infernode::inference {

// Where a frame lies in a model's input; all in pixels.
struct Placement {
  int input_width = 0;
  int input_height = 0;
  int left = 0;  // of the frame in the input
  int top = 0;
  int width = 0;  // of the frame in the input
  int height = 0;
  int frame_width = 0;
  int frame_height = 0;

  // A point of the input as one of the frame; it may lie outside.
  double frame_x(double input_x) const {
    return (input_x - left) * (static_cast<double>(frame_width) / width);
  }
  double frame_y(double input_y) const {
    return (input_y - top) * (static_cast<double>(frame_height) / height);
  }
  bool operator==(const Placement&) const = default;
};

// Where a frame of this size goes.
Placement place(const ModelInput& input, int frame_width, int frame_height);

// What a model is given for a frame.
struct InputTensor {
  std::vector<std::int64_t> shape;  // of four dimensions
  std::vector<float> values;
  Placement placement;
};

// Makes a model's input of frames, of one after the other. Not thread-safe.
class Preprocessor {
public:
  // `input` must outlive it.
  explicit Preprocessor(const ModelInput& input) : input_{input} {}
  // Throws MediaError where the frame's pixel format cannot be converted. The tensor is reused by
  // the next call.
  InputTensor& prepare(const media::DecodedFrame& frame);

private:
  const ModelInput& input_;
  std::unique_ptr<media::FrameConverter> converter_;
  media::Image image_;
  InputTensor tensor_;
};

// Writes an image's pixels, placed in the input, as the model wants them: tensor.placement is
// given, shape and values are set.
void fill_tensor(const ModelInput& input, const media::Image& image, InputTensor& tensor);

}  // namespace infernode::inference
