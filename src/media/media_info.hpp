#pragma once

#include <boost/json.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace infernode::media {

// No video with larger pictures is accepted: 8K UHD and a little more. A hostile header must not
// make a decoder allocate gigabytes.
constexpr std::int64_t kMaxPixels = 40'000'000;

// A place where decoding can start. Videos probed by older versions lack what is optional.
struct Keyframe {
  int frame = 0;                           // its index in presentation order
  std::int64_t pts = 0;                    // when it is shown, in the stream's time base
  std::optional<std::int64_t> dts{};       // when it is decoded, likewise
  std::optional<std::int64_t> position{};  // of its packet in the file, bytes, where that helps
  std::optional<double> time{};            // seconds since frame 0
};

// [frame, pts, dts, position, time]. keyframe_from_json() takes what older versions wrote, which
// ends earlier, and throws std::exception for anything else.
boost::json::array keyframe_to_json(const Keyframe& keyframe);
Keyframe keyframe_from_json(const boost::json::value& value);

// What is known of a video once it was probed.
struct MediaInfo {
  int width = 0;            // pixels, as shown: after rotation and pixel aspect
  int height = 0;           // likewise
  int rotation = 0;         // degrees clockwise from the stored picture to the shown one
  double pixel_aspect = 1;  // width of a stored pixel by its height
  int frame_count = 0;      // pictures that a player would show
  double fps = 0;
  double duration = 0;  // seconds
  std::string codec;    // FFmpeg's short name: "h264"
  // At least 16 frames apart; empty where frames cannot be told by their times, so that decoding
  // has to start at the beginning.
  std::vector<Keyframe> keyframes;
  std::vector<std::string> warnings;  // sentences for the person who sent the video
  std::vector<std::byte> thumbnail;   // JPEG of the first frame, 320 pixels wide
};

}  // namespace infernode::media
