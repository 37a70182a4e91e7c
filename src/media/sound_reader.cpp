#include "media/sound_reader.hpp"

#include <cmath>
#include <limits>
#include <new>

namespace infernode::media {

SoundReader::SoundReader(ByteSource& source, double beginning)
    : container_{source}, beginning_{beginning}, has_sound_{container_.choose_sound()} {}

const AVCodecParameters* SoundReader::parameters() const {
  return has_sound_ ? container_.stream().codecpar : nullptr;
}

AVRational SoundReader::time_base() const {
  return {1, container_.stream().codecpar->sample_rate};
}

void SoundReader::seek(double time) {
  const bool begun = last_.has_value();
  ahead_.reset();
  last_.reset();
  first_ = std::llround(time / av_q2d(time_base()));
  const double target = (beginning_ + time) / av_q2d(container_.stream().time_base);
  // Where it cannot, all that comes before is passed over.
  if ((begun || time > 0) && std::abs(target) < 9e18) {
    container_.seek_to_time(std::llround(target));
  }
}

// One packet with a time. False at the end.
bool SoundReader::read() {
  ahead_.reset(av_packet_alloc());
  if (!ahead_) {
    throw std::bad_alloc{};
  }
  const double tick = av_q2d(container_.stream().time_base);
  const double sample = av_q2d(time_base());
  while (container_.read_packet(*ahead_)) {
    const auto pts = ahead_->pts == AV_NOPTS_VALUE ? ahead_->dts : ahead_->pts;
    const double at = (static_cast<double>(pts) * tick - beginning_) / sample;
    if (pts == AV_NOPTS_VALUE || ahead_->size <= 0 || !(std::abs(at) < 9e18)) {
      continue;
    }
    const auto time = std::llround(at);
    if (time < first_ || (last_ && time <= *last_)) {
      continue;
    }
    last_ = ahead_->pts = ahead_->dts = time;
    ahead_->duration = std::llround(static_cast<double>(ahead_->duration) * tick / sample);
    return true;
  }
  ahead_.reset();
  return false;
}

PacketPtr SoundReader::next(double until) {
  if (!has_sound_ || (!ahead_ && !read())) {
    return nullptr;
  }
  const double time = static_cast<double>(ahead_->pts) * av_q2d(time_base());
  return time < until ? std::move(ahead_) : nullptr;
}

}  // namespace infernode::media
