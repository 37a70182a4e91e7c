#include "media/frame_reader.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace infernode::media {
namespace {

// How far before a keyframe the search begins, when a nearer one landed behind it.
constexpr double kStepsBackSeconds[] = {0, 1, 5, 25, 125};

}  // namespace

FrameReader::FrameReader(ByteSource& source, std::optional<Keyframe> start,
                         std::unique_ptr<Container> used)
    : container_{std::move(used)}, start_{start}, packet_{av_packet_alloc()} {
  const bool seeks = start_ && start_->frame > 0;
  if (!container_ || !seeks) {
    container_ = std::make_unique<Container>(source);
  }
  if (seeks) {
    find_start(source);
    next_index_ = start_->frame;
  }
  container_->codec();
  shown_ = container_->presentation();
}

std::unique_ptr<Container> FrameReader::release() {
  drained_ = true;
  container_->forget_decoder();
  return std::move(container_);
}

void FrameReader::find_start(ByteSource& source) {
  if (start_->position && container_->has_positions() &&
      container_->seek_to_position(*start_->position) && find_own_packet()) {
    return;
  }
  const double second = 1 / av_q2d(container_->stream().time_base);
  for (const double back : kStepsBackSeconds) {
    const auto target =
        start_->dts.value_or(start_->pts) - static_cast<std::int64_t>(back * second);
    if (container_->seek_to_time(target) && find_own_packet()) {
      return;
    }
  }
  container_ = std::make_unique<Container>(source);
  if (!find_own_packet()) {
    throw MediaError(MediaFault::damaged,
                     fmt::format("The keyframe of frame {} cannot be found again.", start_->frame));
  }
}

// Reads on to the packet of the keyframe; false when it is behind.
bool FrameReader::find_own_packet() {
  while (container_->read_packet(*packet_)) {
    if ((packet_->flags & AV_PKT_FLAG_KEY) != 0 && packet_->pts == start_->pts) {
      packet_waits_ = true;
      return true;
    }
    if (start_->dts && packet_->dts != AV_NOPTS_VALUE && packet_->dts > *start_->dts) {
      return false;
    }
  }
  return false;
}

double FrameReader::time_of(const DecodedFrame& frame) const {
  const AVStream& stream = container_->stream();
  const double tick = av_q2d(stream.time_base);
  if (!start_) {
    // Times that do not order the frames are no times; but the n-th frame is shown at the n-th time
    // that one is decoded, less a constant, unless those are wrong too (MPEG-PS).
    if (counts_steadily_ && !decoding_times_.empty()) {
      return static_cast<double>(decoding_times_.front() - *first_dts_) * tick;
    }
    const auto rate = stream.avg_frame_rate.num > 0 ? stream.avg_frame_rate : stream.r_frame_rate;
    const double fps = av_q2d(rate);
    return fps > 0 ? frame.index / fps : 0;
  }
  if (start_->time) {
    return *start_->time + static_cast<double>(*frame.pts - start_->pts) * tick;
  }
  // Of videos probed by older versions no time of a keyframe is known.
  const auto beginning = stream.start_time == AV_NOPTS_VALUE ? 0 : stream.start_time;
  return static_cast<double>(*frame.pts - beginning) * tick;
}

// Gives the decoder one packet, or tells it that there are no more. False when it was told before.
bool FrameReader::feed() {
  if (drained_) {
    return false;
  }
  if (!std::exchange(packet_waits_, false) && !container_->read_packet(*packet_)) {
    drained_ = true;
    give(nullptr);
    return true;
  }
  if (!start_ && packet_->dts != AV_NOPTS_VALUE && container_->is_shown(*packet_)) {
    first_dts_ = first_dts_.value_or(packet_->dts);
    counts_steadily_ = counts_steadily_ && packet_->dts > last_dts_.value_or(packet_->dts - 1);
    last_dts_ = packet_->dts;
    decoding_times_.push_back(packet_->dts);
  }
  if (start_ && packet_->pts != AV_NOPTS_VALUE && packet_->pts >= start_->pts &&
      container_->is_shown(*packet_)) {
    if (is_behind_end()) {
      drained_ = true;
      give(nullptr);
      return true;
    }
    expected_.insert(packet_->pts);
    ++seen_;
    last_pts_ = std::max(last_pts_, packet_->pts);
  }
  give(packet_.get());
  return true;
}

// A packet that the decoder refuses is a lost frame; the next one may be fine. But memory that is
// missing is no fault of the packet.
void FrameReader::give(const AVPacket* packet) {
  if (avcodec_send_packet(&container_->codec(), packet) == AVERROR(ENOMEM)) {
    throw std::bad_alloc{};
  }
}

// Whether every frame before the end has been read, and the packet is a keyframe behind them, which
// none of them needs: then the decoder need not see it to give them.
bool FrameReader::is_behind_end() const {
  return end_ && (packet_->flags & AV_PKT_FLAG_KEY) != 0 && packet_->pts > last_pts_ &&
         seen_ == *end_ - start_->frame;
}

bool FrameReader::number(DecodedFrame& frame) {
  if (start_) {
    const auto own = frame.pts ? expected_.lower_bound(*frame.pts) : expected_.end();
    if (own == expected_.end() || *own != *frame.pts) {
      return false;
    }
    next_index_ += static_cast<int>(std::distance(expected_.begin(), own));
    expected_.erase(expected_.begin(), std::next(own));
  }
  frame.index = next_index_++;
  frame.time = time_of(frame);
  if (!decoding_times_.empty()) {
    decoding_times_.pop_front();
  }
  return true;
}

std::optional<DecodedFrame> FrameReader::next() {
  FramePtr picture{av_frame_alloc()};
  for (;;) {
    const int status = avcodec_receive_frame(&container_->codec(), picture.get());
    if (status == AVERROR_EOF) {
      return std::nullopt;
    }
    if (status == AVERROR(ENOMEM)) {
      throw std::bad_alloc{};
    }
    if (status < 0) {
      if (!feed()) {
        return std::nullopt;
      }
      continue;
    }
    DecodedFrame frame;
    const auto pts = picture->pts != AV_NOPTS_VALUE ? picture->pts : picture->best_effort_timestamp;
    if (pts != AV_NOPTS_VALUE) {
      frame.pts = pts;
    }
    if (!number(frame)) {
      continue;
    }
    frame.width = shown_.width;
    frame.height = shown_.height;
    frame.rotation = shown_.rotation;
    frame.picture = std::move(picture);
    return frame;
  }
}

}  // namespace infernode::media
