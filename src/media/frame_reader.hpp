#pragma once

#include <cstdint>
#include <optional>
#include <set>

#include "media/container.hpp"
#include "media/media_info.hpp"

namespace infernode::media {

struct DecodedFrame {
  int index = 0;    // in presentation order, from 0
  double time = 0;  // seconds since the first frame
  FramePtr picture;
};

// Decodes frames in presentation order, from a keyframe on, and knows the index of each, also when
// some in between cannot be decoded: every packet read is remembered by its presentation time, and
// a time that is passed over is a frame that was lost.
class FrameReader {
public:
  // Without a keyframe it starts at frame 0. `source` must outlive it. Throws MediaError.
  FrameReader(ByteSource& source, std::optional<Keyframe> start);
  // The next frame that can be decoded; nullopt at the end. Throws MediaError.
  std::optional<DecodedFrame> next();

private:
  bool feed();
  double time_of(std::int64_t pts, int index) const;

  Container container_;
  std::optional<Keyframe> start_;
  PacketPtr packet_;
  std::multiset<std::int64_t> expected_;  // times of packets whose frame has not come out yet
  int next_index_ = 0;
  bool has_times_ = true;  // false: the stream has no presentation times, so frames are counted
  bool drained_ = false;
};

}  // namespace infernode::media
