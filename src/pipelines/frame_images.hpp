#pragma once

#include <functional>
#include <memory>

#include "media/frame_reader.hpp"
#include "media/image.hpp"

namespace infernode {

// Makes annotated images of frames, of one after the other. Not thread-safe.
class FrameImages {
public:
  // The frame as it is shown, drawn on; it stays until the next call. Throws MediaError and what
  // `draw` throws.
  const media::Image& draw(const media::DecodedFrame& frame,
                           const std::function<void(media::Image&)>& draw);

private:
  std::unique_ptr<media::FrameConverter> converter_;
  media::Image image_;
};

}  // namespace infernode
