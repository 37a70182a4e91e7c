#include "media/probe.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "media/frame_reader.hpp"
#include "media/image.hpp"

namespace infernode::media {
namespace {

constexpr int kThumbnailWidth = 320;
constexpr int kThumbnailMaxHeight = 3200;
constexpr int kThumbnailQuality = 85;
constexpr int kKeyframeSpacing = 16;
constexpr double kClockJumpSeconds = 1;
constexpr double kFrameRateTolerance = 0.02;
// At 30 frames a second, about four days; the list of times below stays under 100 MB.
constexpr std::size_t kMaxFrames = 10'000'000;

struct Packets {
  std::vector<std::int64_t> times;  // of those that are shown
  std::vector<Keyframe> key;        // of those, without their index
  std::size_t shown = 0;
  std::int64_t last_end = 0;
  std::optional<std::int64_t> first_dts;
  std::optional<std::int64_t> last_dts;
  int damaged = 0;
  bool timed = true;  // every picture has a presentation time, and the clock never jumps back
};

Packets read_packets(Container& container) {
  Packets packets;
  const PacketPtr packet{av_packet_alloc()};
  const double tick = av_q2d(container.stream().time_base);
  while (container.read_packet(*packet)) {
    packets.damaged += (packet->flags & AV_PKT_FLAG_CORRUPT) != 0 ? 1 : 0;
    if (packet->dts != AV_NOPTS_VALUE) {
      if (packets.last_dts &&
          (static_cast<double>(*packets.last_dts) - static_cast<double>(packet->dts)) * tick >
              kClockJumpSeconds) {
        packets.timed = false;
      }
      packets.last_dts = packet->dts;
    }
    if (!container.is_shown(*packet)) {
      continue;
    }
    if (!packets.first_dts) {
      packets.first_dts = packets.last_dts;
    }
    if (++packets.shown > kMaxFrames) {
      throw MediaError(MediaFault::unsupported,
                       fmt::format("A video may have {} frames at most.", kMaxFrames));
    }
    if (packet->pts == AV_NOPTS_VALUE) {
      packets.timed = false;
      continue;
    }
    packets.times.push_back(packet->pts);
    packets.last_end = std::max(packets.last_end, packet->pts + packet->duration);
    if (container.is_keyframe(*packet)) {
      Keyframe key{0, packet->pts};
      if (packet->dts != AV_NOPTS_VALUE) {
        key.dts = packet->dts;
      }
      if (container.has_positions() && packet->pos >= 0) {
        key.position = packet->pos;
      }
      packets.key.push_back(key);
    }
  }
  packets.damaged += container.unreadable();
  return packets;
}

void require_whole(ByteSource& source, const Packets& packets) {
  if (const auto announced = announced_size(source); announced && *announced > source.size()) {
    throw MediaError(MediaFault::damaged,
                     fmt::format("The video is cut off: it says that it has {} bytes, and has {}, "
                                 "with {} frames. Send the whole file, or one that ends there.",
                                 *announced, source.size(), packets.shown));
  }
  if (packets.shown == 0) {
    throw MediaError(MediaFault::damaged, "The video holds no frames.");
  }
}

// Frame 0 stands for the beginning of the file, whether it is a keyframe or not.
std::vector<Keyframe> spaced_keyframes(Packets& packets, std::int64_t first, double tick) {
  std::vector<Keyframe> keyframes{Keyframe{0, first, {}, {}, 0.0}};
  std::sort(packets.key.begin(), packets.key.end(),
            [](const Keyframe& a, const Keyframe& b) { return a.pts < b.pts; });
  for (Keyframe key : packets.key) {
    key.frame =
        static_cast<int>(std::lower_bound(packets.times.begin(), packets.times.end(), key.pts) -
                         packets.times.begin());
    key.time = static_cast<double>(key.pts - first) * tick;
    if (key.frame - keyframes.back().frame >= kKeyframeSpacing) {
      keyframes.push_back(key);
    }
  }
  return keyframes;
}

std::vector<std::byte> thumbnail(const DecodedFrame& frame) {
  const int height = std::max(1, static_cast<int>(std::lround(static_cast<double>(kThumbnailWidth) *
                                                              frame.height / frame.width)));
  FrameConverter converter{kThumbnailWidth, std::min(height, kThumbnailMaxHeight)};
  Image image;
  converter.convert(*frame.picture, frame.rotation, image);
  return encode_jpeg(image, kThumbnailQuality);
}

// Frames a second: what the container says, or what was counted where that is something else.
double frame_rate(const AVStream& stream, const Packets& packets, double tick) {
  const auto said =
      av_q2d(stream.avg_frame_rate.den != 0 ? stream.avg_frame_rate : stream.r_frame_rate);
  double fps = std::isfinite(said) ? said : 0;
  // From the first frame to the last.
  const std::int64_t ticks = packets.timed       ? packets.times.back() - packets.times.front()
                             : packets.first_dts ? *packets.last_dts - *packets.first_dts
                                                 : 0;
  if (ticks > 0) {
    const auto frames = packets.timed ? packets.times.size() : packets.shown;
    const double counted = static_cast<double>(frames - 1) / (static_cast<double>(ticks) * tick);
    if (!(std::abs(fps - counted) <= kFrameRateTolerance * counted)) {
      fps = std::round(counted * 1000) / 1000;
    }
  }
  return fps;
}

}  // namespace

MediaInfo probe(ByteSource& source) {
  MediaInfo info;
  FrameReader reader{source, std::nullopt};
  const auto first = reader.next();
  Container container{source};
  Packets packets = read_packets(container);
  require_whole(source, packets);
  if (!first) {
    throw MediaError(MediaFault::damaged, "Not one frame of the video can be decoded.");
  }
  const AVStream& stream = container.stream();
  const double tick = av_q2d(stream.time_base);
  const auto shown = container.presentation();
  info.width = shown.width;
  info.height = shown.height;
  info.rotation = shown.rotation;
  info.pixel_aspect = shown.pixel_aspect;
  info.codec = avcodec_get_name(stream.codecpar->codec_id);
  info.frame_count = static_cast<int>(packets.shown);
  packets.timed = packets.timed && first->pts.has_value();
  if (packets.timed) {
    std::sort(packets.times.begin(), packets.times.end());
    // Frame 0 is the first picture that the decoder gives: those before it build on others that are
    // not in the file.
    const auto begin = std::lower_bound(packets.times.begin(), packets.times.end(), *first->pts);
    if (const auto missing = begin - packets.times.begin(); missing > 0) {
      info.warnings.push_back(
          fmt::format("{} pictures at the beginning cannot be shown, since "
                      "those that they build on are missing.",
                      missing));
    }
    packets.times.erase(packets.times.begin(), begin);
    if (packets.times.empty()) {
      throw MediaError(MediaFault::damaged, "The video holds no frames.");
    }
    info.frame_count = static_cast<int>(packets.times.size());
    info.duration = static_cast<double>(packets.last_end - *first->pts) * tick;
    info.keyframes = spaced_keyframes(packets, *first->pts, tick);
  } else {
    info.warnings.emplace_back(
        "Its pictures have no times that order them, so it is worked off from its beginning, in "
        "few and long segments.");
  }
  info.fps = frame_rate(stream, packets, tick);
  if (info.duration <= 0 && info.fps > 0) {
    info.duration = info.frame_count / info.fps;
  }
  if (stream.codecpar->codec_id == AV_CODEC_ID_GIF && info.frame_count == 1) {
    throw MediaError(MediaFault::not_a_video, "The file is a still image.");
  }
  if (container.video_streams() > 1) {
    info.warnings.push_back(fmt::format("It has {} video streams; stream {}, the default, is used.",
                                        container.video_streams(), stream.index));
  }
  if (packets.damaged > 0) {
    info.warnings.push_back(
        fmt::format("{} of its packets are damaged; frames may be missing.", packets.damaged));
  }
  info.thumbnail = thumbnail(*first);
  return info;
}

}  // namespace infernode::media
