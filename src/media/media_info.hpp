#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace infernode::media {

// A place where decoding can start: the frame's index in presentation order, and when it is shown
// and decoded, in the stream's time base.
struct Keyframe {
  int frame = 0;
  std::int64_t pts = 0;
  std::optional<std::int64_t> dts{};  // not known of videos probed before it was asked for
};

// What is known of a video once it was probed.
struct MediaInfo {
  int width = 0;        // pixels
  int height = 0;       // pixels
  int frame_count = 0;  // packets of the video stream, each one frame
  double fps = 0;
  double duration = 0;               // seconds
  std::string codec;                 // FFmpeg's short name: "h264"
  std::vector<Keyframe> keyframes;   // at least 16 frames apart; empty without presentation times
  std::vector<std::byte> thumbnail;  // JPEG of the first frame, 320 pixels wide
};

}  // namespace infernode::media
