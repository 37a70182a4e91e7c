#pragma once

#include <boost/json.hpp>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "media/crop.hpp"
#include "media/frame_reader.hpp"
#include "media/image.hpp"

// What a pipeline does in the runner, with the video's bytes: included by runner/child and by the
// pipelines' own sources alone, since it needs FFmpeg and ONNX Runtime.
namespace infernode {

// What a pipeline makes of one frame.
struct FrameResult {
  std::string json;                           // the frame's object in the result
  std::vector<std::byte> jpeg;                // the annotated image, or nothing
  std::map<std::string, std::int64_t> tally;  // counters that add up over frames, for the summary
  media::FramePtr picture{};                  // for the annotated video, or nothing
  std::vector<media::Crop> crops{};           // of its objects, ascending
};

// Works on frames one at a time; every thread has its own.
class FrameWorker {
public:
  virtual ~FrameWorker() = default;
  // Throws std::exception, which ends the segment.
  virtual FrameResult work(const media::DecodedFrame& frame) = 0;
};

// One segment's work, shared by the threads.
class FrameTask {
public:
  virtual ~FrameTask() = default;
  // May be called by several threads at once. The task must outlive its workers.
  virtual std::unique_ptr<FrameWorker> new_worker() const = 0;
};

// Draws what a frame of the result says onto its picture.
class FramePainter {
public:
  virtual ~FramePainter() = default;
  // May be called by several threads at once. Throws std::exception for a frame of another kind.
  virtual void paint(media::Image& image, const boost::json::object& frame) const = 0;
};

}  // namespace infernode
