#include "media/container.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

extern "C" {
#include <libavutil/display.h>
}

namespace infernode::media {
namespace {

constexpr int kIoBufferBytes = 64 * 1024;
// Containers that hold video as such. FFmpeg also "plays" text, images and playlists that name
// other files; none of those is a video here. Bare elementary streams are left out too: their
// probes take almost any bytes for theirs.
constexpr const char* kFormats =
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,ogg,gif,asf,mxf,ivf,nut,wtv";
// Reading goes on behind what the demuxer cannot make sense of, but not for ever.
constexpr int kMaxUnreadable = 1000;
constexpr double kMaxPixelAspect = 100;

// Width of a stored pixel by its height; 1 where that is not said or absurd.
double pixel_aspect_of(const AVStream& stream) {
  AVRational aspect = stream.sample_aspect_ratio;
  if (aspect.num <= 0 || aspect.den <= 0) {
    aspect = stream.codecpar->sample_aspect_ratio;
  }
  const double ratio = aspect.num > 0 && aspect.den > 0 ? av_q2d(aspect) : 1;
  return ratio > kMaxPixelAspect || ratio < 1 / kMaxPixelAspect ? 1 : ratio;
}

}  // namespace

std::string av_error_text(int code) {
  char text[AV_ERROR_MAX_STRING_SIZE] = {};
  av_strerror(code, text, sizeof text);
  return text;
}

int Container::read_bytes(void* self, std::uint8_t* buffer, int size) {
  auto& container = *static_cast<Container*>(self);
  try {
    const std::size_t got = container.source_.read_at(
        container.position_,
        {reinterpret_cast<std::byte*>(buffer), static_cast<std::size_t>(size)});
    container.position_ += static_cast<std::int64_t>(got);
    return got == 0 ? AVERROR_EOF : static_cast<int>(got);
  } catch (...) {
    container.failure_ = std::current_exception();
    return AVERROR(EIO);
  }
}

std::int64_t Container::seek_bytes(void* self, std::int64_t offset, int whence) {
  auto& container = *static_cast<Container*>(self);
  const std::int64_t size = container.source_.size();
  switch (whence & ~AVSEEK_FORCE) {
    case AVSEEK_SIZE:
      return size;
    case SEEK_SET:
      break;
    case SEEK_CUR:
      offset += container.position_;
      break;
    case SEEK_END:
      offset += size;
      break;
    default:
      return AVERROR(EINVAL);
  }
  if (offset < 0) {
    return AVERROR(EINVAL);
  }
  container.position_ = offset;
  return offset;
}

Container::Container(ByteSource& source) : source_{source} {
  try {
    auto* buffer = static_cast<std::uint8_t*>(av_malloc(kIoBufferBytes));
    io_ = avio_alloc_context(buffer, kIoBufferBytes, 0, this, read_bytes, nullptr, seek_bytes);
    format_ = avformat_alloc_context();
    if (buffer == nullptr || io_ == nullptr || format_ == nullptr) {
      throw std::bad_alloc{};
    }
    format_->pb = io_;
    format_->flags |= AVFMT_FLAG_CUSTOM_IO;
    AVDictionary* options = nullptr;
    av_dict_set(&options, "format_whitelist", kFormats, 0);
    av_dict_set(&options, "protocol_whitelist", "", 0);
    const int opened = avformat_open_input(&format_, nullptr, nullptr, &options);
    av_dict_free(&options);
    rethrow();
    if (opened < 0) {
      refuse("The file is not a video that can be read: " + av_error_text(opened) + ".");
    }
    format_->max_analyze_duration = 5 * AV_TIME_BASE;
    const int analysed = avformat_find_stream_info(format_, nullptr);
    rethrow();
    for (unsigned i = 0; i < format_->nb_streams; ++i) {
      const auto& stream = *format_->streams[i];
      if (stream.codecpar->codec_type == AVMEDIA_TYPE_VIDEO &&
          (stream.disposition & AV_DISPOSITION_ATTACHED_PIC) == 0) {
        ++video_streams_;
      }
    }
    const int index = analysed < 0
                          ? analysed
                          : av_find_best_stream(format_, AVMEDIA_TYPE_VIDEO, -1, -1, nullptr, 0);
    if (index < 0 || (format_->streams[index]->disposition & AV_DISPOSITION_ATTACHED_PIC) != 0) {
      refuse("The file holds no video stream.");
    }
    stream_ = format_->streams[index];
    const auto& parameters = *stream_->codecpar;
    if (parameters.width <= 0 || parameters.height <= 0) {
      throw MediaError(MediaFault::damaged,
                       "The video's frames have no size; the file may be cut "
                       "off or damaged.");
    }
    // Also as they are shown: pictures are drawn in that size.
    const double width = parameters.width * std::max(1.0, pixel_aspect_of(*stream_));
    if (width * parameters.height > static_cast<double>(kMaxPixels)) {
      throw MediaError(MediaFault::unsupported,
                       fmt::format("Frames of {:.0f}x{} are too large; {} pixels are the limit.",
                                   width, parameters.height, kMaxPixels));
    }
    for (unsigned i = 0; i < format_->nb_streams; ++i) {
      if (static_cast<int>(i) != index) {
        format_->streams[i]->discard = AVDISCARD_ALL;
      }
    }
  } catch (...) {
    close();
    throw;
  }
}

bool Container::choose_sound(bool (*preferred)(const AVCodecParameters&)) {
  const int best = av_find_best_stream(format_, AVMEDIA_TYPE_AUDIO, -1, stream_->index, nullptr, 0);
  if (best < 0) {
    return false;
  }
  AVStream* chosen = format_->streams[best];
  // Where there are programmes, those of others are no choice.
  const AVProgram* own = av_find_program_from_stream(format_, nullptr, stream_->index);
  for (unsigned i = 0; i < format_->nb_streams && !preferred(*chosen->codecpar); ++i) {
    AVStream* other = format_->streams[i];
    if (other->codecpar->codec_type == AVMEDIA_TYPE_AUDIO && preferred(*other->codecpar) &&
        av_find_program_from_stream(format_, nullptr, other->index) == own) {
      chosen = other;
    }
  }
  if (chosen->codecpar->sample_rate <= 0) {
    return false;
  }
  stream_->discard = AVDISCARD_ALL;
  stream_ = chosen;
  stream_->discard = AVDISCARD_DEFAULT;
  forget_decoder();
  return true;
}

// Not a video, unless what would make it one is cut off.
void Container::refuse(const std::string& text) const {
  if (const auto announced = announced_size(source_); announced && *announced > source_.size()) {
    throw MediaError(MediaFault::damaged,
                     fmt::format("The file is cut off before its index: it says that it has {} "
                                 "bytes, and has {}. Send the whole file.",
                                 *announced, source_.size()));
  }
  throw MediaError(MediaFault::not_a_video, text);
}

Container::~Container() {
  close();
}

void Container::close() {
  codec_.reset();
  parser_.reset();
  avformat_close_input(&format_);
  if (io_ != nullptr) {
    av_freep(&io_->buffer);
    avio_context_free(&io_);
  }
}

AVCodecContext& Container::codec() {
  if (codec_) {
    return *codec_;
  }
  const AVCodec* decoder = avcodec_find_decoder(stream_->codecpar->codec_id);
  if (decoder == nullptr) {
    throw MediaError(MediaFault::unsupported,
                     fmt::format("There is no decoder for the codec {}.",
                                 avcodec_get_name(stream_->codecpar->codec_id)));
  }
  CodecPtr codec{avcodec_alloc_context3(decoder)};
  if (!codec) {
    throw std::bad_alloc{};
  }
  // One thread: inference is what takes the time, and it has every core already.
  codec->thread_count = 1;
  codec->max_pixels = kMaxPixels;
  codec->pkt_timebase = stream_->time_base;
  if (avcodec_parameters_to_context(codec.get(), stream_->codecpar) < 0 ||
      avcodec_open2(codec.get(), decoder, nullptr) < 0) {
    throw MediaError(MediaFault::unsupported,
                     fmt::format("The decoder for {} refuses this video.", decoder->name));
  }
  codec_ = std::move(codec);
  return *codec_;
}

void Container::rethrow() const {
  if (failure_) {
    std::rethrow_exception(failure_);
  }
}

bool Container::read_packet(AVPacket& packet) {
  for (;;) {
    av_packet_unref(&packet);
    const int status = av_read_frame(format_, &packet);
    rethrow();
    if (status < 0) {
      if (status == AVERROR_EOF || avio_feof(io_) != 0 || ++unreadable_ > kMaxUnreadable) {
        return false;
      }
      continue;
    }
    if (packet.stream_index == stream_->index) {
      return true;
    }
  }
}

namespace {

// VP9 bitstream specification 0.6, 6.2: frame_marker (2), profile (2, and a reserved bit when it is
// 3), show_existing_frame (1), frame_type (1), show_frame (1).
bool shows_vp9(std::span<const std::uint8_t> data) {
  // A superframe (annex B) shows its last frame, whatever it hides before.
  if ((data.back() & 0xe0) == 0xc0) {
    return true;
  }
  const int first = data.front();
  const int next = (first & 0x30) == 0x30 ? 2 : 3;  // the bit of show_existing_frame
  const auto bit = [&](int index) { return (first >> (next - index)) & 1; };
  return bit(0) != 0 || bit(2) != 0;
}

}  // namespace

bool Container::is_shown(const AVPacket& packet) const {
  if (packet.size <= 0 || (packet.flags & AV_PKT_FLAG_DISCARD) != 0) {
    return false;
  }
  const std::span data{packet.data, static_cast<std::size_t>(packet.size)};
  switch (stream_->codecpar->codec_id) {
    case AV_CODEC_ID_VP8:
      return (data.front() & 0x10) != 0;  // RFC 6386, 9.1: show_frame
    case AV_CODEC_ID_VP9:
      return shows_vp9(data);
    default:
      return true;
  }
}

bool Container::is_keyframe(const AVPacket& packet) {
  if ((packet.flags & AV_PKT_FLAG_KEY) == 0) {
    return false;
  }
  if (stream_->codecpar->codec_id != AV_CODEC_ID_H264) {
    return true;
  }
  if (!parser_) {
    parser_.reset(av_parser_init(AV_CODEC_ID_H264));
    if (!parser_) {
      throw std::bad_alloc{};
    }
    parser_->flags |= PARSER_FLAG_COMPLETE_FRAMES;
  }
  std::uint8_t* whole = nullptr;  // the packet again
  int size = 0;
  av_parser_parse2(parser_.get(), &codec(), &whole, &size, packet.data, packet.size, packet.pts,
                   packet.dts, packet.pos);
  return parser_->pict_type == AV_PICTURE_TYPE_I;
}

bool Container::has_positions() const {
  return (format_->iformat->flags & (AVFMT_TS_DISCONT | AVFMT_NO_BYTE_SEEK)) == AVFMT_TS_DISCONT;
}

bool Container::seek(std::int64_t target, int flags) {
  const int status = av_seek_frame(format_, stream_->index, target, flags);
  rethrow();
  if (codec_) {
    avcodec_flush_buffers(codec_.get());
  }
  return status >= 0;
}

bool Container::seek_to_position(std::int64_t position) {
  return seek(position, AVSEEK_FLAG_BYTE);
}

bool Container::seek_to_time(std::int64_t time) {
  return seek(time, AVSEEK_FLAG_BACKWARD);
}

namespace {

// Nine numbers, or nullptr.
const std::int32_t* display_matrix(const AVStream& stream) {
#if LIBAVCODEC_VERSION_MAJOR >= 61
  const auto* data =
      av_packet_side_data_get(stream.codecpar->coded_side_data, stream.codecpar->nb_coded_side_data,
                              AV_PKT_DATA_DISPLAYMATRIX);
  return data == nullptr ? nullptr : reinterpret_cast<const std::int32_t*>(data->data);
#else
  return reinterpret_cast<const std::int32_t*>(
      av_stream_get_side_data(&stream, AV_PKT_DATA_DISPLAYMATRIX, nullptr));
#endif
}

}  // namespace

Presentation Container::presentation() const {
  const auto& parameters = *stream_->codecpar;
  Presentation shown;
  shown.pixel_aspect = pixel_aspect_of(*stream_);
  if (const auto* matrix = display_matrix(*stream_)) {
    // FFmpeg counts counterclockwise.
    const double angle = -av_display_rotation_get(matrix);
    if (std::isfinite(angle)) {
      shown.rotation = ((static_cast<int>(std::lround(angle / 90)) % 4 + 4) % 4) * 90;
    }
  }
  shown.width = std::max(1, static_cast<int>(std::lround(parameters.width * shown.pixel_aspect)));
  shown.height = parameters.height;
  if (shown.rotation % 180 != 0) {
    std::swap(shown.width, shown.height);
  }
  return shown;
}

namespace {

// Numbers from the file; zeros behind its end.
std::uint64_t read_number(ByteSource& source, std::int64_t offset, int bytes, bool big_endian) {
  std::array<std::byte, 8> data{};
  std::size_t got = 0;
  while (got < static_cast<std::size_t>(bytes)) {
    const auto piece =
        source.read_at(offset + static_cast<std::int64_t>(got),
                       std::span{data}.subspan(got, static_cast<std::size_t>(bytes) - got));
    if (piece == 0) {
      break;
    }
    got += piece;
  }
  std::uint64_t number = 0;
  for (int i = 0; i < bytes; ++i) {
    const auto byte = std::to_integer<std::uint64_t>(
        data[static_cast<std::size_t>(big_endian ? i : bytes - 1 - i)]);
    number = number << 8 | byte;
  }
  return number;
}

constexpr std::uint32_t four_letters(const char (&text)[5]) {
  std::uint32_t number = 0;
  for (int i = 0; i < 4; ++i) {
    number = number << 8 | static_cast<unsigned char>(text[i]);
  }
  return number;
}

// A file of more is one that nobody cut off by mistake.
constexpr int kMostStructures = 200'000;
// No file is that large; keeps sums of what a file says from overflowing.
constexpr std::uint64_t kMostBytes = 1ULL << 60;

std::int64_t bounded(std::uint64_t bytes) {
  return static_cast<std::int64_t>(std::min(bytes, kMostBytes));
}

// RIFF lists one behind the other (OpenDML), each with its size.
std::optional<std::int64_t> announced_by_riff(ByteSource& source) {
  std::int64_t end = 0;
  for (int lists = 0; lists < kMostStructures && end + 12 <= source.size() &&
                      read_number(source, end, 4, true) == four_letters("RIFF");
       ++lists) {
    const auto size = read_number(source, end + 4, 4, false);
    if (size == 0 || size == 0xffffffff) {
      return std::nullopt;  // written by something that did not come back to fill it in
    }
    end += 8 + bounded(size + (size & 1));
  }
  // The last list's padding byte may be missing.
  return end - 1 == source.size() ? source.size() : end;
}

// An EBML number (RFC 8794, 4): as many bytes as the first one has leading zeros, and one.
struct EbmlNumber {
  std::uint64_t value = 0;
  int bytes = 0;
  bool unknown = false;  // all ones
};
EbmlNumber read_ebml(ByteSource& source, std::int64_t offset) {
  const auto first = static_cast<unsigned>(read_number(source, offset, 1, true));
  EbmlNumber number;
  for (number.bytes = 1; number.bytes <= 8 && (first & (0x80U >> (number.bytes - 1))) == 0;) {
    ++number.bytes;
  }
  if (number.bytes > 8) {
    return {};
  }
  const std::uint64_t ones = (1ULL << (7 * number.bytes)) - 1;
  number.value = read_number(source, offset, number.bytes, true) & ones;
  number.unknown = number.value == ones;
  return number;
}

// The EBML header, then the segment (RFC 9559, 5.1), which holds all the rest.
std::optional<std::int64_t> announced_by_matroska(ByteSource& source) {
  const auto header = read_ebml(source, 4);
  const std::int64_t segment = 4 + header.bytes + bounded(header.value);
  if (header.bytes == 0 || header.unknown || segment + 12 > source.size() ||
      read_number(source, segment, 4, true) != 0x18538067) {
    return std::nullopt;
  }
  const auto size = read_ebml(source, segment + 4);
  if (size.bytes == 0 || size.unknown) {
    return std::nullopt;  // a live recording
  }
  return segment + 4 + size.bytes + bounded(size.value);
}

// Boxes one behind the other (ISO/IEC 14496-12, 4.2), each with its size.
std::optional<std::int64_t> announced_by_boxes(ByteSource& source) {
  static const std::set<std::uint32_t> known{
      four_letters("ftyp"), four_letters("moov"), four_letters("mdat"), four_letters("moof"),
      four_letters("free"), four_letters("skip"), four_letters("wide"), four_letters("mfra"),
      four_letters("sidx"), four_letters("styp"), four_letters("uuid"), four_letters("meta"),
      four_letters("emsg"), four_letters("prft"), four_letters("pnot"), four_letters("pdin")};
  std::int64_t end = 0;
  for (int boxes = 0; boxes < kMostStructures && end + 8 <= source.size(); ++boxes) {
    auto size = read_number(source, end, 4, true);
    if (!known.contains(static_cast<std::uint32_t>(read_number(source, end + 4, 4, true)))) {
      break;
    }
    if (size == 1) {
      size = read_number(source, end + 8, 8, true);
    }
    if (size < 8) {
      return std::nullopt;  // 0: to the end of the file, wherever that is
    }
    end += bounded(size);
  }
  return end == 0 ? std::nullopt : std::optional{end};
}

}  // namespace

std::optional<std::int64_t> announced_size(ByteSource& source) {
  const auto magic = static_cast<std::uint32_t>(read_number(source, 0, 4, true));
  if (magic == four_letters("RIFF")) {
    return announced_by_riff(source);
  }
  if (magic == 0x1a45dfa3) {
    return announced_by_matroska(source);
  }
  return announced_by_boxes(source);
}

}  // namespace infernode::media
