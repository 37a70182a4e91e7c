#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "media/av_handles.hpp"

namespace infernode::media {

// 8-bit RGB, rows without padding: width * height * 3 bytes.
struct Image {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> pixels;
};

// Converts decoded frames to RGB of a fixed size (bilinear, with the frame's own colour space),
// turned upright. Keeps its tables between frames of the same kind. Not thread-safe.
class FrameConverter {
public:
  // Size in pixels.
  FrameConverter(int width, int height) : width_{width}, height_{height} {}
  // `rotation`: 0, 90, 180 or 270 degrees clockwise. Throws MediaError when the pixel format cannot
  // be converted. `target` is resized as needed.
  void convert(const AVFrame& frame, int rotation, Image& target);

private:
  void scale(const AVFrame& frame, int width, int height, Image& target);

  int width_;
  int height_;
  Image unturned_;
  ScalerPtr scaler_;
  int source_width_ = 0;
  int source_height_ = 0;
  int source_format_ = -1;
  int source_colours_ = -1;
  int source_range_ = -1;
};

// A JPEG (4:2:0) of quality 1..100. Throws std::runtime_error.
std::vector<std::byte> encode_jpeg(const Image& image, int quality);

}  // namespace infernode::media
