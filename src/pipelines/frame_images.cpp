#include "pipelines/frame_images.hpp"

namespace infernode {

const media::Image& FrameImages::draw(const media::DecodedFrame& frame,
                                      const std::function<void(media::Image&)>& draw) {
  if (!converter_ || image_.width != frame.width || image_.height != frame.height) {
    converter_ = std::make_unique<media::FrameConverter>(frame.width, frame.height);
  }
  converter_->convert(*frame.picture, frame.rotation, image_);
  draw(image_);
  return image_;
}

}  // namespace infernode
