#include "media/frame_reader.hpp"

#include <algorithm>

namespace infernode::media {

FrameReader::FrameReader(ByteSource& source, std::optional<Keyframe> start)
    : container_{source}, start_{start}, packet_{av_packet_alloc()} {
  container_.codec();
  if (start_) {
    container_.seek(start_->pts);
    next_index_ = start_->frame;
  }
}

double FrameReader::time_of(std::int64_t pts, int index) const {
  const AVStream& stream = container_.stream();
  if (pts != AV_NOPTS_VALUE) {
    const std::int64_t first = stream.start_time == AV_NOPTS_VALUE ? 0 : stream.start_time;
    return static_cast<double>(pts - first) * av_q2d(stream.time_base);
  }
  const double fps = av_q2d(stream.avg_frame_rate);
  return fps > 0 ? index / fps : 0;
}

// Gives the decoder one packet, or tells it that there are no more. False when it was told before.
bool FrameReader::feed() {
  if (drained_) {
    return false;
  }
  if (!container_.read_packet(*packet_)) {
    drained_ = true;
    avcodec_send_packet(&container_.codec(), nullptr);
    return true;
  }
  if (packet_->pts == AV_NOPTS_VALUE) {
    has_times_ = false;
  } else if (!start_ || packet_->pts >= start_->pts) {
    expected_.insert(packet_->pts);
  }
  // A packet that the decoder refuses is a lost frame; the next one may be fine.
  avcodec_send_packet(&container_.codec(), packet_.get());
  return true;
}

std::optional<DecodedFrame> FrameReader::next() {
  FramePtr picture{av_frame_alloc()};
  for (;;) {
    const int status = avcodec_receive_frame(&container_.codec(), picture.get());
    if (status == AVERROR_EOF) {
      return std::nullopt;
    }
    if (status < 0) {
      if (!feed()) {
        return std::nullopt;
      }
      continue;
    }
    const std::int64_t pts = has_times_ ? picture->pts : AV_NOPTS_VALUE;
    if (start_ && pts != AV_NOPTS_VALUE && pts < start_->pts) {
      continue;  // before the keyframe: the seek went further back than asked
    }
    if (pts != AV_NOPTS_VALUE) {
      const auto passed = expected_.upper_bound(pts);
      const auto lost = std::distance(expected_.begin(), passed) - 1;
      next_index_ += static_cast<int>(std::max<std::ptrdiff_t>(lost, 0));
      expected_.erase(expected_.begin(), passed);
    }
    DecodedFrame frame;
    frame.index = next_index_++;
    frame.time = time_of(pts, frame.index);
    frame.picture = std::move(picture);
    return frame;
  }
}

}  // namespace infernode::media
