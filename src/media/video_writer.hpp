#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "media/av_handles.hpp"
#include "media/image.hpp"

namespace infernode::media {

// Makes pictures for a VideoWriter of RGB images of one size; a thread has its own.
class VideoPictures {
public:
  // The image as the encoder wants it, shown at `seconds`. An odd row or column is left out. Throws
  // std::runtime_error.
  FramePtr make(const Image& image, double seconds);

private:
  ScalerPtr scaler_;
  FramePtr padded_;
  int width_ = 0;
  int height_ = 0;
};

// An MP4 with H.264 of constant quality, made as pictures come: memory does not grow with them, but
// for some bytes a picture in the index. All but the first bytes go out in order and are never
// written again; the first ones are known in the end.
class VideoWriter {
public:
  using Sink = std::function<void(std::span<const std::byte>)>;

  // `fps`: about how many pictures a second; each has its own time. `body` gets what follows the
  // first bytes. With the parameters of `sound`, in whose `sound_base` (seconds) its packets have
  // their times, there is a track for it; it must be one that takes() takes.
  VideoWriter(double fps, Sink body, const AVCodecParameters* sound = nullptr,
              AVRational sound_base = {});
  ~VideoWriter();
  VideoWriter(const VideoWriter&) = delete;
  VideoWriter& operator=(const VideoWriter&) = delete;

  // Pictures of VideoPictures, of one size; the first is shown at 0, the others after each other.
  // Throws std::runtime_error, also where there is no encoder, and what `body`
  // throws.
  void write(const AVFrame& picture);
  // Whether sound can be heard in a video of ours, as it is stored.
  static bool takes(const AVCodecParameters& sound);
  // A packet of sound, its time on the same clock as those of pictures; they ascend. All that is
  // heard before a picture is added before that is written. Another thread may add.
  void add_sound(PacketPtr packet);
  // What was added and not written yet, bytes.
  std::size_t waiting_sound() const;
  // Writes it, with no picture under way. Throws as write() does.
  void write_sound();
  // Packets: those that are in the video, and those that MP4 does not take because they are
  // damaged.
  struct SoundCount {
    std::int64_t written = 0;
    std::int64_t left_out = 0;
  };
  SoundCount sound_count() const;
  // The end. Returns the first bytes, which belong before the body; none when there was no picture.
  std::vector<std::byte> finish();

private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace infernode::media
