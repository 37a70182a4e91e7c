#pragma once

#include <boost/json.hpp>
#include <vector>

#include "inference/detector.hpp"
#include "media/frame_reader.hpp"
#include "runner/channel.hpp"

namespace infernode::runner {

// One segment of a `detect` job: the frames start_frame, start_frame + frame_step, ... below
// end_frame.
struct DetectTask {
  std::int64_t video_bytes = 0;
  int start_frame = 0;
  int end_frame = 0;
  int frame_step = 1;
  std::optional<media::Keyframe> keyframe;  // where to begin decoding
  double confidence = 0.3;
  std::vector<int> classes;
  bool images = true;
  int image_quality = 85;  // 1..100
};

DetectTask detect_task_from_json(const boost::json::value& value);
boost::json::object detect_task_to_json(const DetectTask& task);

// Decodes, detects, draws and encodes, with `threads` frames at once, and sends every frame in
// order as a `frame` message. Returns the outcome: {processed, skipped, failed, reasons, labels}.
// Throws media::MediaError, std::runtime_error.
boost::json::object run_detect_task(const DetectTask& task, const inference::Detector& detector,
                                    int threads, Channel& channel);

}  // namespace infernode::runner
