#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "media/frame_reader.hpp"
#include "media/image.hpp"

namespace infernode {

// Makes annotated images of frames, of one after the other. Not thread-safe.
class FrameImages {
public:
  // The frame as it is shown, drawn on, as a JPEG of quality 1..100. Throws MediaError,
  // std::runtime_error and what `draw` throws.
  std::vector<std::byte> draw(const media::DecodedFrame& frame, int quality,
                              const std::function<void(media::Image&)>& draw);

private:
  std::unique_ptr<media::FrameConverter> converter_;
  media::Image image_;
};

}  // namespace infernode
