#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "core/digest.hpp"
#include "core/id.hpp"
#include "media/media_info.hpp"

namespace infernode {

struct Video {
  VideoId id;
  DatasetId dataset;
  BlobId file;
  std::string name;
  int frame_count = 0;
  int width = 0;     // pixels, as shown
  int height = 0;    // likewise
  int rotation = 0;  // degrees clockwise that the stored pictures are turned by
  double pixel_aspect = 1;
  double fps = 0;
  double duration = 0;  // seconds
  std::string codec;
  std::vector<std::string> warnings;
  std::int64_t size = 0;  // bytes
  std::string sha256;     // lower-case hex
  Timestamp created_at;
  Timestamp updated_at;
};

// The frames of a video.
struct VideoFrames {
  VideoId video;
  int count = 0;
  int width = 0;   // pixels, as shown
  int height = 0;  // likewise
  std::vector<media::Keyframe> keyframes;
};

// A file that was stored and probed, and waits to become a video.
struct NewVideo {
  UserId user;
  DatasetId dataset;
  BlobId file;
  std::string name;
  std::int64_t size = 0;  // bytes
  Sha256Digest sha256{};
  media::MediaInfo info;
};

// What a stored file brings: itself, or the videos of a ZIP, each staged by itself.
struct NewVideos {
  std::vector<NewVideo> videos;
  struct Archive {
    BlobId file;
    std::int64_t size = 0;  // bytes
  };
  std::optional<Archive> archive{};  // the ZIP, which goes when they are accepted

  std::int64_t frames() const {
    std::int64_t total = 0;
    for (const auto& video : videos) {
      total += video.info.frame_count;
    }
    return total;
  }
};

}  // namespace infernode
