#pragma once

#include <boost/json.hpp>
#include <memory>
#include <string>

#include "media/video_writer.hpp"
#include "pipelines/frame_task.hpp"
#include "pipelines/pipeline.hpp"

namespace infernode {

// Makes the images that a job's params want, of one frame after the other. Not thread-safe.
class FrameImages {
public:
  // `list` is the key of what was found in a frame. `painter` must outlive it.
  FrameImages(const FramePainter& painter, CommonParams common, std::string list)
      : painter_{painter}, common_{common}, list_{std::move(list)} {}

  // Adds to `result` what is wanted of a frame, `object` being what was found in it. Throws
  // MediaError and what painting throws.
  void add(const media::DecodedFrame& frame, const boost::json::object& object,
           FrameResult& result);

private:
  const FramePainter& painter_;
  CommonParams common_;
  std::string list_;
  std::unique_ptr<media::FrameConverter> converter_;
  media::Image image_;
  media::VideoPictures pictures_;
};

}  // namespace infernode
