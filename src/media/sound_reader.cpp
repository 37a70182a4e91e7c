#include "media/sound_reader.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <new>

namespace infernode::media {
namespace {

// A packet further ahead than this is of a wrong time, unless as many as these that follow are
// there too: then the sound has a gap.
constexpr int kJumpSeconds = 5;
constexpr std::size_t kLookAhead = 64;
// What is needed of the time before, to begin there.
constexpr double kBeforeSeconds = 1;

// How many packets it takes until one is heard as it is: transforms overlap with the one before
// (AAC, AC-3), MP3 keeps bits in its predecessors, Opus settles within 80 ms (RFC 7845, 4.6): of a
// sweep at full volume the first 0.2 s differ by 11 % with four packets before, by 0.2 % with ten.
int packets_before(AVCodecID codec) {
  switch (codec) {
    case AV_CODEC_ID_FLAC:
    case AV_CODEC_ID_ALAC:
      return 0;
    case AV_CODEC_ID_MP3:
    case AV_CODEC_ID_OPUS:
      return 10;
    default:
      return 1;
  }
}

// A piece of a packet, as a stream that lost some of its bytes has it: AAC in a transport stream
// begins each with a header (ISO/IEC 13818-7, 6.2).
bool is_fragment(const AVPacket& packet, const AVCodecParameters& sound) {
  const bool has_headers = sound.codec_id == AV_CODEC_ID_AAC && sound.extradata_size == 0;
  return has_headers &&
         (packet.size < 8 || packet.data[0] != 0xff || (packet.data[1] & 0xf0) != 0xf0);
}

}  // namespace

SoundReader::SoundReader(ByteSource& source, double beginning,
                         bool (*takes)(const AVCodecParameters&))
    : source_{source}, takes_{takes}, beginning_{beginning} {
  open();
}

void SoundReader::open() {
  container_.emplace(source_);
  has_sound_ = container_->choose_sound(takes_);
}

const AVCodecParameters* SoundReader::parameters() const {
  return has_sound_ ? container_->stream().codecpar : nullptr;
}

AVRational SoundReader::time_base() const {
  return {1, container_->stream().codecpar->sample_rate};
}

void SoundReader::seek(double time) {
  const bool begun = last_.has_value();
  ahead_.clear();
  last_.reset();
  expected_ = first_ = std::llround(time / av_q2d(time_base()));
  const double target =
      (beginning_ + time - kBeforeSeconds) / av_q2d(container_->stream().time_base);
  // Where it cannot, all that comes before is passed over; what was tried may have lost some.
  if ((begun || time > kBeforeSeconds) &&
      !(std::abs(target) < 9e18 && container_->seek_to_time(std::llround(target)))) {
    open();
  }
}

// One with a time; nullptr at the end.
PacketPtr SoundReader::read_packet() {
  PacketPtr packet{av_packet_alloc()};
  if (!packet) {
    throw std::bad_alloc{};
  }
  const auto& sound = *container_->stream().codecpar;
  const double tick = av_q2d(container_->stream().time_base);
  const double sample = av_q2d(time_base());
  while (container_->read_packet(*packet)) {
    const auto pts = packet->pts == AV_NOPTS_VALUE ? packet->dts : packet->pts;
    const double at = (static_cast<double>(pts) * tick - beginning_) / sample;
    const double duration = static_cast<double>(packet->duration) * tick / sample;
    if (pts == AV_NOPTS_VALUE || packet->size <= 0 || !(std::abs(at) < 9e17) ||
        is_fragment(*packet, sound)) {
      ++left_out_;
      continue;
    }
    packet->pts = packet->dts = std::llround(at);
    packet->duration = duration > 0 && duration < std::numeric_limits<int>::max()
                           ? std::llround(duration)
                           : std::max(0, sound.frame_size);
    return packet;
  }
  return nullptr;
}

// One packet or more. False at the end.
bool SoundReader::read() {
  const std::int64_t jump = std::int64_t{kJumpSeconds} * time_base().den;
  const int before = packets_before(container_->stream().codecpar->codec_id);
  std::deque<PacketPtr> far;
  while (far.size() < kLookAhead) {
    auto packet = read_packet();
    if (!packet) {
      break;
    }
    if (packet->pts + packet->duration * (1 + before) <= first_) {
      continue;
    }
    if (last_ && packet->pts <= *last_) {
      ++left_out_;
      continue;
    }
    if (packet->pts > expected_ + jump) {
      far.push_back(std::move(packet));
      continue;
    }
    left_out_ += static_cast<std::int64_t>(far.size());
    far.clear();
    ahead_.push_back(std::move(packet));
    break;
  }
  for (auto& packet : far) {
    if (ahead_.empty() || packet->pts > ahead_.back()->pts) {
      ahead_.push_back(std::move(packet));
    } else {
      ++left_out_;
    }
  }
  if (ahead_.empty()) {
    return false;
  }
  last_ = ahead_.back()->pts;
  expected_ = *last_ + ahead_.back()->duration;
  return true;
}

PacketPtr SoundReader::next(double until) {
  if (!has_sound_ || (ahead_.empty() && !read())) {
    return nullptr;
  }
  const double time = static_cast<double>(ahead_.front()->pts) * av_q2d(time_base());
  if (!(time < until)) {
    return nullptr;
  }
  auto packet = std::move(ahead_.front());
  ahead_.pop_front();
  return packet;
}

}  // namespace infernode::media
