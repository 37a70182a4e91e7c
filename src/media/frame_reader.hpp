#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <optional>

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

// Frames that are wanted: `first`, and every `step`-th from there on, before `end`.
struct Selection {
  int first = 0;
  int end = std::numeric_limits<int>::max();
  int step = 1;

  bool holds(int frame) const { return frame < end && at_or_after(frame) == frame; }
  // The next one; `end` when there is none.
  int at_or_after(int frame) const {
    const std::int64_t steps = frame <= first ? 0 : (std::int64_t{frame} - first + step - 1) / step;
    return static_cast<int>(std::min<std::int64_t>(end, first + steps * step));
  }
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
  // Says which frames are wanted. Of the others as many are left out as can be without harm to
  // these: pictures that no other builds on, and all before a keyframe when none of them is wanted.
  // Call it before next().
  void want(const Selection& wanted) { wanted_ = wanted; }
  // The next frame that can be decoded; nullopt at the end. Throws what the source
  // throws, and std::bad_alloc.
  std::optional<DecodedFrame> next();
  // The container, for another reader of the same source; this one is at its end.
  std::unique_ptr<Container> release();
  // The container's time, in seconds, of the video's first frame.
  double beginning() const;
  // Whether it goes by times, so that it knows which frames were lost.
  bool timed() const { return start_.has_value(); }

private:
  // A packet that was read and not given to the decoder yet.
  struct Ahead {
    PacketPtr packet;
    bool numbered = false;  // its frame has a number
  };

  void find_start(ByteSource& source);
  bool find_own_packet();
  bool feed();
  bool read_ahead();
  bool is_behind_end(const AVPacket& packet) const;
  void look_ahead();
  void jump();
  bool picks() const;
  bool leaves_out_unreferenced() const;
  int number_at(std::int64_t pts) const;
  int first_ahead() const;
  bool is_known(const Ahead& ahead) const;
  void give(const AVPacket* packet);
  double time_of(const DecodedFrame& frame) const;
  // False for a picture that is none of the frames asked for.
  bool number(DecodedFrame& frame);

  std::unique_ptr<Container> container_;
  std::optional<Keyframe> start_;
  Presentation shown_;
  Selection wanted_;
  PacketPtr packet_;
  bool packet_waits_ = false;           // packet_ was read by find_start()
  std::deque<Ahead> ahead_;             // in decoding order
  std::size_t ahead_bytes_ = 0;         // of their packets
  std::deque<std::int64_t> expected_;   // times of packets whose frame has not come out, ascending
  std::optional<std::int64_t> jumped_;  // pictures before this time were left out
  std::optional<std::int64_t> read_dts_;  // of the last packet that was read
  bool times_order_ = true;               // no packet is shown before it is decoded, so far
  bool input_ended_ = false;
  bool decoder_holds_ = false;  // it was given packets since it last knew nothing
  bool restarts_ = false;       // it gives what it holds, and begins anew
  std::optional<std::int64_t> first_dts_;
  std::optional<std::int64_t> last_dts_;
  bool counts_steadily_ = true;              // each is decoded later than the one before
  std::deque<std::int64_t> decoding_times_;  // without start_: of packets that may still come out
  int seen_ = 0;                             // packets of numbered frames
  std::int64_t last_pts_ = std::numeric_limits<std::int64_t>::min();  // of them
  int next_index_ = 0;
  bool drained_ = false;
};

}  // namespace infernode::media
