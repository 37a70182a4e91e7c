#pragma once

#include <cstdint>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>

#include "media/av_handles.hpp"
#include "media/byte_source.hpp"
#include "media/media_info.hpp"

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

// How the stored pictures are shown.
struct Presentation {
  int width = 0;            // pixels, after rotation and pixel aspect
  int height = 0;           // likewise
  int rotation = 0;         // 0, 90, 180 or 270 degrees clockwise
  double pixel_aspect = 1;  // width of a stored pixel by its height
};

// An open container with one chosen video stream, or its sound, and its decoder. FFmpeg reads the
// bytes through `source` alone: no other file, no network. `source` must outlive it; what it throws
// comes out of the function that read.
class Container {
public:
  // Throws MediaError.
  explicit Container(ByteSource& source);
  ~Container();
  Container(const Container&) = delete;
  Container& operator=(const Container&) = delete;

  AVFormatContext& format() const { return *format_; }
  const AVStream& stream() const { return *stream_; }
  int video_streams() const { return video_streams_; }
  // From now on its packets are those of the sound that goes with the video: of the best one, or
  // of another one beside it if that is `preferred` and the best is not. False, and nothing
  // changes, where there is none.
  bool choose_sound(bool (*preferred)(const AVCodecParameters&));
  Presentation presentation() const;
  // Opened on first use, so that probing the packets costs no decoder. Throws MediaError.
  AVCodecContext& codec();
  // The next codec() opens another, which knows nothing of what this one has decoded.
  void forget_decoder() { codec_.reset(); }

  // The next packet of the chosen stream; false at the end. What the demuxer cannot read is passed
  // over and counted; it ends where nothing more can be read.
  bool read_packet(AVPacket& packet);
  // Stretches that read_packet() passed over.
  int unreadable() const { return unreadable_; }
  // Whether a player shows a picture for this packet: not for what an edit list hides, for empty
  // ones and for reference pictures of VP8 and VP9 that are never shown.
  bool is_shown(const AVPacket& packet) const;
  // Whether decoding can begin with this packet: it is a keyframe, and not one from which pictures
  // become whole little by little only (H.264's gradual refresh, which FFmpeg flags alike).
  bool is_keyframe(const AVPacket& packet);
  // Goes to `position` (bytes), or to the last keyframe at or before `time` (in the stream's time
  // base); false where the demuxer cannot.
  bool seek_to_position(std::int64_t position);
  bool seek_to_time(std::int64_t time);
  // Whether packets say where they lie and can be reached by that.
  bool has_positions() const;

private:
  ByteSource& source_;
  std::int64_t position_ = 0;
  std::exception_ptr failure_;  // of source_, which must not cross FFmpeg's frames
  AVIOContext* io_ = nullptr;
  AVFormatContext* format_ = nullptr;
  AVStream* stream_ = nullptr;
  int video_streams_ = 0;
  int unreadable_ = 0;
  CodecPtr codec_;
  ParserPtr parser_;  // of H.264, once it was needed

  static int read_bytes(void* self, std::uint8_t* buffer, int size);
  static std::int64_t seek_bytes(void* self, std::int64_t offset, int whence);
  bool seek(std::int64_t target, int flags);
  [[noreturn]] void refuse(const std::string& text) const;
  void rethrow() const;
  void close();
};

// The size in bytes that a file's outermost structures say it has (RIFF, Matroska, MP4); nullopt
// where they do not say. `source` throws what it throws.
std::optional<std::int64_t> announced_size(ByteSource& source);

// FFmpeg's text for an error code.
std::string av_error_text(int code);

}  // namespace infernode::media
