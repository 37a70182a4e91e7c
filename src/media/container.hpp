#pragma once

#include <stdexcept>
#include <string>

#include "media/av_handles.hpp"
#include "media/byte_source.hpp"

namespace infernode::media {

enum class MediaFault {
  not_a_video,  // no container that we know, or none with a video stream
  damaged,      // begins as a video but does not go on as one: cut off, corrupt
  unsupported,  // a video that this build cannot decode
};

// The bytes are at fault. what() is a sentence for the person who sent them.
class MediaError : public std::runtime_error {
public:
  MediaError(MediaFault fault, const std::string& text) : std::runtime_error{text}, fault_{fault} {}
  MediaFault fault() const { return fault_; }

private:
  MediaFault fault_;
};

// An open container with one chosen video stream and its decoder. FFmpeg reads the bytes through
// `source` alone: no other file, no network. `source` must outlive it.
class Container {
public:
  // Throws MediaError.
  explicit Container(ByteSource& source);
  ~Container();
  Container(const Container&) = delete;
  Container& operator=(const Container&) = delete;

  AVFormatContext& format() const { return *format_; }
  const AVStream& stream() const { return *stream_; }
  // Opened on first use, so that probing the packets costs no decoder. Throws MediaError.
  AVCodecContext& codec();

  // The next packet of the video stream; false at the end. Throws MediaError when reading fails.
  bool read_packet(AVPacket& packet);
  // True when reading ended before the container said it would.
  bool ended_early() const;
  // Goes to the last keyframe at or before `pts` (in the stream's time base).
  void seek(std::int64_t pts);

private:
  ByteSource& source_;
  std::int64_t position_ = 0;
  AVIOContext* io_ = nullptr;
  AVFormatContext* format_ = nullptr;
  AVStream* stream_ = nullptr;
  CodecPtr codec_;

  static int read_bytes(void* self, std::uint8_t* buffer, int size);
  static std::int64_t seek_bytes(void* self, std::int64_t offset, int whence);
  void close();
};

// FFmpeg's text for an error code.
std::string av_error_text(int code);

}  // namespace infernode::media
