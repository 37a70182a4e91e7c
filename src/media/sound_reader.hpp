#pragma once

#include <optional>

#include "media/av_handles.hpp"
#include "media/byte_source.hpp"
#include "media/container.hpp"

namespace infernode::media {

// The sound that goes with a container's video, packet by packet as it is stored; nothing of it is
// decoded.
class SoundReader {
public:
  // `beginning`: the container's time of the video's first frame, seconds; see
  // FrameReader::beginning(). `source` must outlive it. Throws MediaError, and what the source
  // throws.
  SoundReader(ByteSource& source, double beginning);

  // nullptr where there is no sound.
  const AVCodecParameters* parameters() const;
  // Of its packets: one sample.
  AVRational time_base() const;
  // Begins anew with what is heard at `time` (seconds since the first frame) or later.
  void seek(double time);
  // The next packet that is heard before `until` (likewise); nullptr when there is none. Its times
  // count from the first frame, and ascend. Throws what the source throws.
  PacketPtr next(double until);

private:
  bool read();

  Container container_;
  double beginning_;
  bool has_sound_;
  PacketPtr ahead_;                   // read, and not handed out
  std::optional<std::int64_t> last_;  // time of the last packet, samples
  std::int64_t first_ = 0;            // nothing before it is handed out, samples
};

}  // namespace infernode::media
