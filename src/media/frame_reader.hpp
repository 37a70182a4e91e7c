#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <optional>
#include <set>

#include "media/container.hpp"
#include "media/media_info.hpp"

namespace infernode::media {

struct DecodedFrame {
  int index = 0;    // in presentation order, from 0
  double time = 0;  // seconds since the first frame
  std::optional<std::int64_t> pts;
  FramePtr picture;  // as it is stored
  // As it is shown, in pixels; the same for all frames of a video, also where the stored size
  // changes on the way.
  int width = 0;
  int height = 0;
  int rotation = 0;  // degrees clockwise that the stored picture is turned by
};

// Decodes frames in presentation order, from a keyframe on, and knows the index of each, also when
// some in between cannot be decoded: every packet read is remembered by its presentation time, and
// a time that is passed over is a frame that was lost. A frame whose packet was not seen has no
// number, and is left out.
class FrameReader {
public:
  // From a keyframe on, whose own packet it finds: where the demuxer lands behind it, it steps back
  // until it does. That of frame 0 stands for the beginning of the file. Without a keyframe it
  // reads from the beginning and counts, as it must where frames have no times of their own.
  // `source` must outlive it. Throws MediaError, and what the source throws.
  // `used` is a container of this very source that an earlier reader released: opening one, and
  // building its index, takes as long as decoding some 20 frames.
  FrameReader(ByteSource& source, std::optional<Keyframe> start,
              std::unique_ptr<Container> used = nullptr);
  // Says that frames from `end_frame` on are not wanted; some may come all the same.
  void stop_before(int end_frame) { end_ = end_frame; }
  // The next frame that can be decoded; nullopt at the end. Throws what the source
  // throws, and std::bad_alloc.
  std::optional<DecodedFrame> next();
  // The container, for another reader of the same source; this one is at its end.
  std::unique_ptr<Container> release();
  // Whether it goes by times, so that it knows which frames were lost.
  bool timed() const { return start_.has_value(); }

private:
  void find_start(ByteSource& source);
  bool find_own_packet();
  bool feed();
  bool is_behind_end() const;
  void give(const AVPacket* packet);
  double time_of(const DecodedFrame& frame) const;
  // False for a picture that is none of the frames asked for.
  bool number(DecodedFrame& frame);

  std::unique_ptr<Container> container_;
  std::optional<Keyframe> start_;
  Presentation shown_;
  PacketPtr packet_;
  bool packet_waits_ = false;             // packet_ was read and not fed
  std::multiset<std::int64_t> expected_;  // times of packets whose frame has not come out yet
  std::optional<std::int64_t> first_dts_;
  std::optional<std::int64_t> last_dts_;
  bool counts_steadily_ = true;              // each is decoded later than the one before
  std::deque<std::int64_t> decoding_times_;  // without start_: of packets that may still come out
  std::optional<int> end_;
  int seen_ = 0;                                                      // packets of numbered frames
  std::int64_t last_pts_ = std::numeric_limits<std::int64_t>::min();  // of them
  int next_index_ = 0;
  bool drained_ = false;
};

}  // namespace infernode::media
