#include "media/frame_reader.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace infernode::media {
namespace {

// How far before a keyframe the search begins, when a nearer one landed behind it.
constexpr double kStepsBackSeconds[] = {0, 1, 5, 25, 125};
// What is read ahead to find a keyframe, at most. Packets of large intra pictures are megabytes.
constexpr std::size_t kMostAhead = 1000;
constexpr std::size_t kMostAheadBytes = 16 << 20;

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
  return static_cast<double>(*frame.pts) * tick - beginning();
}

double FrameReader::beginning() const {
  const AVStream& stream = container_->stream();
  const double tick = av_q2d(stream.time_base);
  if (start_ && start_->time) {
    return static_cast<double>(start_->pts) * tick - *start_->time;
  }
  // Of videos probed by older versions no time of a keyframe is known.
  return stream.start_time == AV_NOPTS_VALUE ? 0 : static_cast<double>(stream.start_time) * tick;
}

// Gives the decoder one packet, or tells it that there are no more. False when it was told before.
bool FrameReader::feed() {
  if (drained_) {
    return false;
  }
  if (ahead_.empty()) {
    read_ahead();
  }
  look_ahead();
  if (ahead_.empty() || restarts_) {
    drained_ = !restarts_;
    give(nullptr);
    return true;
  }
  const Ahead next = std::move(ahead_.front());
  ahead_.pop_front();
  ahead_bytes_ -= static_cast<std::size_t>(next.packet->size);
  // Pictures that are shown before a keyframe and follow it build on what was left out.
  if (jumped_ && next.numbered && next.packet->pts < *jumped_) {
    return true;
  }
  const bool unwanted =
      picks() && next.numbered && is_known(next) && !wanted_.holds(number_at(next.packet->pts));
  container_->codec().skip_frame =
      unwanted && leaves_out_unreferenced() ? AVDISCARD_NONREF : AVDISCARD_DEFAULT;
  give(next.packet.get());
  return true;
}

// Whether some of the frames that come are not wanted.
bool FrameReader::picks() const {
  return start_ && (wanted_.step > 1 || next_index_ < wanted_.first);
}

// Reads one packet more; false at the end of what is needed.
bool FrameReader::read_ahead() {
  if (input_ended_ ||
      (!std::exchange(packet_waits_, false) && !container_->read_packet(*packet_))) {
    input_ended_ = true;
    return false;
  }
  const bool shown = container_->is_shown(*packet_);
  if (!start_ && packet_->dts != AV_NOPTS_VALUE && shown) {
    first_dts_ = first_dts_.value_or(packet_->dts);
    counts_steadily_ = counts_steadily_ && packet_->dts > last_dts_.value_or(packet_->dts - 1);
    last_dts_ = packet_->dts;
    decoding_times_.push_back(packet_->dts);
  }
  const bool numbered =
      start_ && packet_->pts != AV_NOPTS_VALUE && packet_->pts >= start_->pts && shown;
  if (numbered) {
    if (is_behind_end(*packet_)) {
      input_ended_ = true;
      return false;
    }
    expected_.insert(std::upper_bound(expected_.begin(), expected_.end(), packet_->pts),
                     packet_->pts);
    ++seen_;
    last_pts_ = std::max(last_pts_, packet_->pts);
    times_order_ = times_order_ && packet_->dts != AV_NOPTS_VALUE && packet_->dts <= packet_->pts &&
                   packet_->dts > read_dts_.value_or(packet_->dts - 1);
    read_dts_ = packet_->dts;
  }
  ahead_bytes_ += static_cast<std::size_t>(packet_->size);
  ahead_.push_back({PacketPtr{av_packet_alloc()}, numbered});
  if (!ahead_.back().packet) {
    throw std::bad_alloc{};
  }
  av_packet_move_ref(ahead_.back().packet.get(), packet_.get());
  return true;
}

// Reads on to the next frame that is wanted, and leaves out what is in front of a keyframe in
// between.
void FrameReader::look_ahead() {
  if (!picks()) {
    return;
  }
  const auto decided = [&] {
    const int wanted = wanted_.at_or_after(first_ahead());
    return wanted >= wanted_.end || (read_dts_ && wanted < number_at(*read_dts_ + 1));
  };
  while (times_order_ && ahead_.size() < kMostAhead && ahead_bytes_ < kMostAheadBytes &&
         !decided() && read_ahead()) {
  }
  jump();
}

void FrameReader::jump() {
  const int wanted = wanted_.at_or_after(first_ahead());
  const auto key = std::find_if(ahead_.rbegin(), ahead_.rend(), [&](const Ahead& ahead) {
    return ahead.numbered && is_known(ahead) && number_at(ahead.packet->pts) <= wanted &&
           container_->is_keyframe(*ahead.packet);
  });
  if (key == ahead_.rend() || std::next(key) == ahead_.rend()) {
    return;
  }
  jumped_ = key->packet->pts;
  ahead_.erase(ahead_.begin(), std::prev(key.base()));
  ahead_bytes_ = 0;
  for (const auto& ahead : ahead_) {
    ahead_bytes_ += static_cast<std::size_t>(ahead.packet->size);
  }
  restarts_ = decoder_holds_;
}

// The number of a picture with this time, as far as packets have been read.
int FrameReader::number_at(std::int64_t pts) const {
  return next_index_ + static_cast<int>(std::lower_bound(expected_.begin(), expected_.end(), pts) -
                                        expected_.begin());
}

// The lowest number of a picture that was not given to the decoder; that of the next one to be read
// when there is none.
int FrameReader::first_ahead() const {
  auto first = last_pts_ + 1;
  for (const auto& ahead : ahead_) {
    if (ahead.numbered) {
      first = std::min(first, ahead.packet->pts);
    }
  }
  return number_at(first);
}

// Whether every picture that is shown before it has been read, so that its number is certain:
// packets come in the order in which they are decoded, and none is shown before.
bool FrameReader::is_known(const Ahead& ahead) const {
  return input_ended_ || (times_order_ && read_dts_ && ahead.packet->pts <= *read_dts_);
}

// Where the codec marks pictures that nothing builds on: nal_ref_idc 0 of H.264, B-pictures of the
// MPEGs. HEVC's "non-reference" pictures are ones only within their layer, and those of VP8 carry
// state.
bool FrameReader::leaves_out_unreferenced() const {
  const auto codec = container_->stream().codecpar->codec_id;
  return codec == AV_CODEC_ID_H264 || codec == AV_CODEC_ID_MPEG2VIDEO ||
         codec == AV_CODEC_ID_MPEG1VIDEO || codec == AV_CODEC_ID_MPEG4;
}

// A packet that the decoder refuses is a lost frame; the next one may be fine. But memory that is
// missing is no fault of the packet.
void FrameReader::give(const AVPacket* packet) {
  decoder_holds_ = packet != nullptr;
  if (avcodec_send_packet(&container_->codec(), packet) == AVERROR(ENOMEM)) {
    throw std::bad_alloc{};
  }
}

// Whether every frame before the end has been read, and the packet is a keyframe behind them, which
// none of them needs: then the decoder need not see it to give them.
bool FrameReader::is_behind_end(const AVPacket& packet) const {
  return (packet.flags & AV_PKT_FLAG_KEY) != 0 && packet.pts > last_pts_ &&
         seen_ == wanted_.end - start_->frame;
}

bool FrameReader::number(DecodedFrame& frame) {
  if (start_) {
    const auto own = frame.pts ? std::lower_bound(expected_.begin(), expected_.end(), *frame.pts)
                               : expected_.end();
    if (own == expected_.end() || *own != *frame.pts) {
      return false;
    }
    next_index_ += static_cast<int>(own - expected_.begin());
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
    if (restarts_ && (status == AVERROR_EOF || status == AVERROR(EAGAIN))) {
      avcodec_flush_buffers(&container_->codec());
      restarts_ = false;
      continue;
    }
    if (status == AVERROR_EOF) {
      return std::nullopt;
    }
    if (status == AVERROR(ENOMEM)) {
      throw std::bad_alloc{};
    }
    if (status < 0) {
      // One that it could not give, while it gives what it holds: others may follow.
      if (!restarts_ && !feed()) {
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
