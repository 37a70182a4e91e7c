#include "media/probe.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "media/frame_reader.hpp"
#include "media/image.hpp"

namespace infernode::media {
namespace {

constexpr int kThumbnailWidth = 320;
constexpr int kThumbnailQuality = 85;
constexpr int kKeyframeSpacing = 16;
// At 30 frames a second, about four days; the list of times below stays under 100 MB.
constexpr std::size_t kMaxFrames = 10'000'000;

struct PacketTimes {
  std::vector<std::int64_t> all;
  std::vector<Keyframe> key;  // without their index
  std::size_t count = 0;
  std::int64_t last_end = 0;
  bool complete = true;  // every packet has a presentation time
};

PacketTimes read_packets(Container& container) {
  PacketTimes times;
  const PacketPtr packet{av_packet_alloc()};
  while (container.read_packet(*packet)) {
    if ((packet->flags & AV_PKT_FLAG_CORRUPT) != 0) {
      throw MediaError(MediaFault::damaged, fmt::format("The video is cut off or damaged after {} "
                                                        "frames.",
                                                        times.count));
    }
    if (++times.count > kMaxFrames) {
      throw MediaError(MediaFault::unsupported,
                       fmt::format("A video may have {} frames at most.", kMaxFrames));
    }
    if (packet->pts == AV_NOPTS_VALUE) {
      times.complete = false;
      continue;
    }
    times.all.push_back(packet->pts);
    times.last_end = std::max(times.last_end, packet->pts + packet->duration);
    if ((packet->flags & AV_PKT_FLAG_KEY) != 0) {
      Keyframe key{0, packet->pts};
      if (packet->dts != AV_NOPTS_VALUE) {
        key.dts = packet->dts;
      }
      times.key.push_back(key);
    }
  }
  return times;
}

void require_whole(const Container& container, const PacketTimes& times) {
  const AVStream& stream = container.stream();
  const auto promised = static_cast<std::uint64_t>(std::max<std::int64_t>(stream.nb_frames, 0));
  if (times.count == 0) {
    throw MediaError(MediaFault::damaged, "The video holds no frames.");
  }
  if (container.ended_early() || promised > times.count) {
    throw MediaError(MediaFault::damaged,
                     promised > times.count
                         ? fmt::format("The video is cut off: it announces {} frames and holds {}.",
                                       promised, times.count)
                         : std::string{"The video is cut off."});
  }
  // Matroska announces no count but a duration; a second of slack covers audio that outlasts video.
  const std::int64_t announced = container.format().duration;
  if (announced > 0 && times.complete && stream.duration <= 0) {
    const double last = static_cast<double>(times.last_end) * av_q2d(stream.time_base);
    const double whole = static_cast<double>(announced) / AV_TIME_BASE;
    if (last < whole * 0.95 - 1.0) {
      throw MediaError(
          MediaFault::damaged,
          fmt::format("The video is cut off: it announces {:.1f} s and holds {:.1f} s.", whole,
                      last));
    }
  }
}

std::vector<Keyframe> spaced_keyframes(PacketTimes& times) {
  std::vector<Keyframe> keyframes;
  std::sort(times.all.begin(), times.all.end());
  std::sort(times.key.begin(), times.key.end(),
            [](const Keyframe& a, const Keyframe& b) { return a.pts < b.pts; });
  for (const Keyframe& key : times.key) {
    const auto rank =
        std::lower_bound(times.all.begin(), times.all.end(), key.pts) - times.all.begin();
    const int frame = static_cast<int>(rank);
    if (keyframes.empty() || frame - keyframes.back().frame >= kKeyframeSpacing) {
      keyframes.push_back(Keyframe{frame, key.pts, key.dts});
    }
  }
  return keyframes;
}

std::vector<std::byte> thumbnail(ByteSource& source) {
  FrameReader reader{source, std::nullopt};
  const auto first = reader.next();
  if (!first) {
    throw MediaError(MediaFault::damaged, "Not one frame of the video can be decoded.");
  }
  const AVFrame& picture = *first->picture;
  const int height = std::max(1, static_cast<int>(std::lround(static_cast<double>(kThumbnailWidth) *
                                                              picture.height / picture.width)));
  FrameConverter converter{kThumbnailWidth, height};
  Image image;
  converter.convert(picture, image);
  return encode_jpeg(image, kThumbnailQuality);
}

}  // namespace

MediaInfo probe(ByteSource& source) {
  MediaInfo info;
  {
    Container container{source};
    PacketTimes times = read_packets(container);
    require_whole(container, times);
    const AVStream& stream = container.stream();
    info.width = stream.codecpar->width;
    info.height = stream.codecpar->height;
    info.codec = avcodec_get_name(stream.codecpar->codec_id);
    info.frame_count = static_cast<int>(times.count);
    info.fps = av_q2d(stream.avg_frame_rate.den != 0 ? stream.avg_frame_rate : stream.r_frame_rate);
    if (!std::isfinite(info.fps)) {
      info.fps = 0;
    }
    if (times.complete) {
      const auto first = *std::min_element(times.all.begin(), times.all.end());
      info.duration = static_cast<double>(times.last_end - first) * av_q2d(stream.time_base);
      info.keyframes = spaced_keyframes(times);
    }
    if (info.duration <= 0 && info.fps > 0) {
      info.duration = info.frame_count / info.fps;
    }
  }
  info.thumbnail = thumbnail(source);
  return info;
}

}  // namespace infernode::media
