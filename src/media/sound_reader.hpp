#pragma once

#include <deque>
#include <optional>

#include "media/av_handles.hpp"
#include "media/byte_source.hpp"
#include "media/container.hpp"

namespace infernode::media {

// The sound that goes with a container's video, packet by packet as it is stored; nothing of it is
// decoded. What is damaged, or of a time that cannot be, is left out and counted.
class SoundReader {
public:
  // `beginning`: the container's time of the video's first frame, seconds; see
  // FrameReader::beginning(). Where there are several sounds, one that `takes` holds for is
  // preferred. `source` must outlive it. Throws MediaError, and what the source throws.
  SoundReader(ByteSource& source, double beginning, bool (*takes)(const AVCodecParameters&));

  // nullptr where there is no sound.
  const AVCodecParameters* parameters() const;
  // Of its packets: one sample.
  AVRational time_base() const;
  // Begins anew with what is needed to hear all from `time` (seconds since the first frame) on:
  // of codecs whose packets build on each other also some that are heard before.
  void seek(double time);
  // The next packet that is heard before `until` (likewise); nullptr when there is none. Its times
  // count from the first frame, and ascend. Throws what the source throws.
  PacketPtr next(double until);
  // Packets.
  std::int64_t left_out() const { return left_out_; }

private:
  bool read();
  PacketPtr read_packet();
  void open();

  ByteSource& source_;
  bool (*takes_)(const AVCodecParameters&);
  std::optional<Container> container_;
  double beginning_;
  bool has_sound_ = false;
  std::deque<PacketPtr> ahead_;       // read, and not handed out
  std::optional<std::int64_t> last_;  // time of the last packet that was read, samples
  std::int64_t expected_ = 0;         // of the next one, likewise
  std::int64_t first_ = 0;            // where the seek went, likewise
  std::int64_t left_out_ = 0;
};

}  // namespace infernode::media
