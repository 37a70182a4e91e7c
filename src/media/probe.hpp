#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "media/byte_source.hpp"
#include "media/frame_reader.hpp"

namespace infernode::media {

struct MediaInfo {
  int width = 0;        // pixels
  int height = 0;       // pixels
  int frame_count = 0;  // packets of the video stream, each one frame
  double fps = 0;
  double duration = 0;  // seconds
  std::string codec;    // FFmpeg's short name: "h264"
  std::vector<Keyframe> keyframes;     // at least 16 frames apart; empty without presentation times
  std::vector<std::byte> thumbnail;    // JPEG of the first frame, 320 pixels wide
};

// Reads a whole video once, without decoding more than its first frame. A file that was cut off or
// whose first frame cannot be decoded is refused. Throws MediaError.
MediaInfo probe(ByteSource& source);

}  // namespace infernode::media
