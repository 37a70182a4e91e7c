#include "media/video_writer.hpp"

extern "C" {
#include <libavutil/opt.h>
}

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <deque>
#include <exception>
#include <limits>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>

#include "media/video_head.hpp"

namespace infernode::media {
namespace {

constexpr AVRational kTimeBase{1, 90000};
constexpr std::size_t kBufferBytes = 256 * 1024;
constexpr std::int64_t kHeadBytes = kVideoHeadBytes;
// Beside it pictures are decoded, looked at and drawn: a second one gained no time.
constexpr int kThreads = 1;
// MP4 counts a picture's ticks in 31 bits.
constexpr double kLeastFps = 1.0 / 3600;
constexpr double kMostFps = 1000;
constexpr std::int64_t kShortestTicks = 90;  // a millisecond
constexpr std::int64_t kLongestTicks = std::int64_t{3 * 3600} * kTimeBase.den;
constexpr double kKeyframeSeconds = 2;     // a seek lands on one
constexpr const char* kQuality = "23";     // CRF
constexpr std::size_t kPacketBytes = 512;  // beside what it holds

void require(int code, const char* what) {
  if (code < 0) {
    char text[AV_ERROR_MAX_STRING_SIZE] = {};
    av_strerror(code, text, sizeof text);
    throw std::runtime_error(std::string{what} + ": " + text);
  }
}

// As players assume where nothing is said, which is said all the same (ITU-T H.273).
bool is_high_definition(int height) {
  return height >= 720;
}

FramePtr picture_of(AVPixelFormat format, int width, int height) {
  FramePtr picture{av_frame_alloc()};
  if (!picture) {
    throw std::bad_alloc{};
  }
  picture->format = format;
  picture->width = width;
  picture->height = height;
  require(av_frame_get_buffer(picture.get(), 0), "a picture for the video");
  return picture;
}

}  // namespace

FramePtr VideoPictures::make(const Image& image, double seconds) {
  const int width = std::max(2, image.width & ~1);
  const int height = std::max(2, image.height & ~1);
  if (!scaler_ || width != width_ || height != height_) {
    scaler_.reset(sws_getContext(std::min(width, image.width), std::min(height, image.height),
                                 AV_PIX_FMT_RGB24, width, height, AV_PIX_FMT_YUV420P, SWS_BILINEAR,
                                 nullptr, nullptr, nullptr));
    if (!scaler_) {
      throw std::runtime_error("pictures cannot be converted for the video");
    }
    const int matrix = is_high_definition(height) ? SWS_CS_ITU709 : SWS_CS_ITU601;
    sws_setColorspaceDetails(scaler_.get(), sws_getCoefficients(SWS_CS_DEFAULT), 1,
                             sws_getCoefficients(matrix), 0, 0, 1 << 16, 1 << 16);
    padded_ = picture_of(AV_PIX_FMT_RGB24, width, height);
    width_ = width;
    height_ = height;
  }
  // The scaler reads some bytes beyond a picture's end, where an image has none.
  const int rows = std::min(height, image.height);
  const auto row_bytes = static_cast<std::size_t>(std::min(width, image.width)) * 3;
  for (int y = 0; y < rows; ++y) {
    std::memcpy(padded_->data[0] + std::ptrdiff_t{y} * padded_->linesize[0],
                image.pixels.data() + static_cast<std::size_t>(y) * image.width * 3, row_bytes);
  }
  auto picture = picture_of(AV_PIX_FMT_YUV420P, width, height);
  picture->pts = std::llround(seconds * kTimeBase.den);
  sws_scale(scaler_.get(), padded_->data, padded_->linesize, 0, rows, picture->data,
            picture->linesize);
  return picture;
}

// FFmpeg calls back into it, so it has one place.
struct VideoWriter::Parts {
  explicit Parts(Sink given) : body{std::move(given)} {}
  ~Parts() {
    avformat_free_context(file);
    if (io != nullptr) {
      av_freep(&io->buffer);
      avio_context_free(&io);
    }
  }
  Parts(const Parts&) = delete;
  Parts& operator=(const Parts&) = delete;

  static int put(void* self, std::uint8_t* bytes, int count) {
    auto& parts = *static_cast<Parts*>(self);
    try {
      parts.put({reinterpret_cast<const std::byte*>(bytes), static_cast<std::size_t>(count)});
      return count;
    } catch (...) {
      parts.failure = std::current_exception();
      return AVERROR(EIO);
    }
  }

  static std::int64_t seek(void* self, std::int64_t offset, int whence) {
    auto& parts = *static_cast<Parts*>(self);
    if (whence == AVSEEK_SIZE) {
      return parts.size;
    }
    if (whence != SEEK_SET || (offset >= kHeadBytes && offset != parts.size)) {
      return AVERROR(EINVAL);
    }
    return parts.at = offset;
  }

  void put(std::span<const std::byte> bytes) {
    const auto in_head = static_cast<std::size_t>(
        std::clamp<std::int64_t>(kHeadBytes - at, 0, static_cast<std::int64_t>(bytes.size())));
    std::copy_n(bytes.begin(), in_head, head.begin() + std::min(at, kHeadBytes));
    at += static_cast<std::int64_t>(in_head);
    const auto rest = bytes.subspan(in_head);
    if (!rest.empty()) {
      if (at < size) {
        throw std::runtime_error("the video was to be written anew");
      }
      body(rest);
      at += static_cast<std::int64_t>(rest.size());
    }
    size = std::max(size, at);
  }

  void check(int code, const char* what) {
    if (failure) {
      std::rethrow_exception(failure);
    }
    require(code, what);
  }

  // With the first picture.
  void open(int width, int height) {
    const auto* codec = avcodec_find_encoder_by_name("libx264");
    if (codec == nullptr) {
      throw std::runtime_error("FFmpeg was built without an H.264 encoder (libx264)");
    }
    encoder.reset(avcodec_alloc_context3(codec));
    require(avformat_alloc_output_context2(&file, nullptr, "mp4", nullptr), "MP4");
    if (!encoder || !packet) {
      throw std::bad_alloc{};
    }
    encoder->width = width;
    encoder->height = height;
    encoder->pix_fmt = AV_PIX_FMT_YUV420P;
    encoder->time_base = kTimeBase;
    encoder->framerate = av_d2q(fps, 1'000'000);
    encoder->gop_size = std::clamp(static_cast<int>(std::lround(fps * kKeyframeSeconds)), 1, 250);
    encoder->thread_count = kThreads;
    encoder->color_range = AVCOL_RANGE_MPEG;
    const bool high = is_high_definition(height);
    encoder->colorspace = high ? AVCOL_SPC_BT709 : AVCOL_SPC_SMPTE170M;
    encoder->color_primaries = high ? AVCOL_PRI_BT709 : AVCOL_PRI_SMPTE170M;
    encoder->color_trc = high ? AVCOL_TRC_BT709 : AVCOL_TRC_SMPTE170M;
    encoder->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    av_opt_set(encoder->priv_data, "preset", "veryfast", 0);
    av_opt_set(encoder->priv_data, "crf", kQuality, 0);
    av_opt_set(encoder->priv_data, "rc-lookahead", "10", 0);
    // Else how bits are shared out depends on the instructions that the machine has: those of
    // AVX-512 estimate with other rounding, which differed from run to run too.
    require(av_opt_set(encoder->priv_data, "x264-params", "cpu-independent=1", 0),
            "the video's encoder");
    require(avcodec_open2(encoder.get(), codec, nullptr), "the video's encoder");

    AVStream* stream = avformat_new_stream(file, nullptr);
    auto* buffer = static_cast<unsigned char*>(av_malloc(kBufferBytes));
    if (stream == nullptr || buffer == nullptr) {
      av_free(buffer);
      throw std::bad_alloc{};
    }
    io = avio_alloc_context(buffer, kBufferBytes, 1, this, nullptr, &Parts::put, &Parts::seek);
    if (io == nullptr) {
      av_free(buffer);
      throw std::bad_alloc{};
    }
    require(avcodec_parameters_from_context(stream->codecpar, encoder.get()), "MP4");
    stream->time_base = kTimeBase;
    stream->avg_frame_rate = encoder->framerate;
    if (sound) {
      AVStream* track = avformat_new_stream(file, nullptr);
      if (track == nullptr) {
        throw std::bad_alloc{};
      }
      require(avcodec_parameters_copy(track->codecpar, sound.get()), "MP4");
      track->codecpar->codec_tag = 0;  // of the container that it comes from
      track->time_base = sound_base;
    }
    file->pb = io;
    file->flags |= AVFMT_FLAG_CUSTOM_IO | AVFMT_FLAG_BITEXACT;
    file->strict_std_compliance = FF_COMPLIANCE_EXPERIMENTAL;  // FLAC, before FFmpeg 6
    check(avformat_write_header(file, nullptr), "MP4");
  }

  // What the encoder has ready.
  void drain() {
    for (;;) {
      const int code = avcodec_receive_packet(encoder.get(), packet.get());
      if (code == AVERROR(EAGAIN) || code == AVERROR_EOF) {
        return;
      }
      check(code, "the video's encoder");
      packet->stream_index = 0;
      packet->duration = std::llround(kTimeBase.den / fps);  // the last picture's
      av_packet_rescale_ts(packet.get(), encoder->time_base, file->streams[0]->time_base);
      check(av_write_frame(file, packet.get()), "the video");
      av_packet_unref(packet.get());
    }
  }

  // What is heard before `until`, in kTimeBase from the first picture on.
  void write_sound(std::int64_t until) {
    const std::lock_guard lock{waiting};
    while (!packets.empty()) {
      AVPacket& next = *packets.front();
      const auto begin = av_rescale_q(*first, kTimeBase, sound_base);
      if (av_compare_ts(next.pts - begin, sound_base, until, kTimeBase) >= 0) {
        return;
      }
      waiting_bytes -= static_cast<std::size_t>(next.size) + kPacketBytes;
      next.pts = next.dts = next.pts - begin;
      next.stream_index = 1;
      av_packet_rescale_ts(&next, sound_base, file->streams[1]->time_base);
      const int code = av_write_frame(file, &next);
      if (failure || code == AVERROR(ENOMEM)) {
        check(code, "the video's sound");
      }
      ++(code < 0 ? sounds.left_out : sounds.written);
      packets.pop_front();
    }
  }

  Sink body;
  ParametersPtr sound;
  AVRational sound_base{};
  SoundCount sounds;
  mutable std::mutex waiting;  // for what follows
  std::deque<PacketPtr> packets;
  std::size_t waiting_bytes = 0;
  std::vector<std::byte> head = std::vector<std::byte>(kHeadBytes);
  std::int64_t at = 0;
  std::int64_t size = 0;
  std::exception_ptr failure;
  double fps = 25;
  std::optional<std::int64_t> first;    // time of the first picture, which is shown at 0
  std::int64_t last = -kShortestTicks;  // when the last one is shown
  CodecPtr encoder;
  PacketPtr packet{av_packet_alloc()};
  AVFormatContext* file = nullptr;
  AVIOContext* io = nullptr;
};

VideoWriter::VideoWriter(double fps, Sink body, const AVCodecParameters* sound,
                         AVRational sound_base)
    : parts_{std::make_unique<Parts>(std::move(body))} {
  if (sound != nullptr) {
    parts_->sound.reset(avcodec_parameters_alloc());
    if (!parts_->sound) {
      throw std::bad_alloc{};
    }
    require(avcodec_parameters_copy(parts_->sound.get(), sound), "the video's sound");
    parts_->sound_base = sound_base;
  }
  if (fps > 0 && std::isfinite(fps)) {
    parts_->fps = std::clamp(fps, kLeastFps, kMostFps);
  }
}

VideoWriter::~VideoWriter() = default;

void VideoWriter::write(const AVFrame& picture) {
  Parts& parts = *parts_;
  if (!parts.encoder) {
    parts.open(picture.width, picture.height);
  }
  if (picture.width != parts.encoder->width || picture.height != parts.encoder->height) {
    throw std::runtime_error("pictures of a video are of one size");
  }
  // Its pixels are shared, its time is not.
  const FramePtr shown{av_frame_clone(&picture)};
  if (!shown) {
    throw std::bad_alloc{};
  }
  if (!parts.first) {
    parts.first = picture.pts;
  }
  // Times that do not ascend, as damaged files have them, follow each other at once.
  shown->pts = std::clamp(picture.pts - *parts.first, parts.last + kShortestTicks,
                          parts.last + kLongestTicks);
  parts.last = shown->pts;
  parts.write_sound(shown->pts);
  parts.check(avcodec_send_frame(parts.encoder.get(), shown.get()), "the video's encoder");
  parts.drain();
}

bool VideoWriter::takes(const AVCodecParameters& sound) {
  switch (sound.codec_id) {
    case AV_CODEC_ID_AAC:
    case AV_CODEC_ID_MP3:
    case AV_CODEC_ID_AC3:
    case AV_CODEC_ID_EAC3:
      return true;
    // With their headers, which MP4 repeats.
    case AV_CODEC_ID_OPUS:
      return sound.extradata_size >= 19;
    case AV_CODEC_ID_FLAC:
      return sound.extradata_size == 34;
    case AV_CODEC_ID_ALAC:
      return sound.extradata_size == 36;
    default:
      return false;
  }
}

void VideoWriter::add_sound(PacketPtr packet) {
  const std::lock_guard lock{parts_->waiting};
  parts_->waiting_bytes += static_cast<std::size_t>(packet->size) + kPacketBytes;
  parts_->packets.push_back(std::move(packet));
}

std::size_t VideoWriter::waiting_sound() const {
  const std::lock_guard lock{parts_->waiting};
  return parts_->waiting_bytes;
}

void VideoWriter::write_sound() {
  if (parts_->encoder) {
    parts_->write_sound(std::numeric_limits<std::int64_t>::max());
  }
}

VideoWriter::SoundCount VideoWriter::sound_count() const {
  return parts_->sounds;
}

std::vector<std::byte> VideoWriter::finish() {
  if (!parts_->encoder) {
    return {};
  }
  parts_->check(avcodec_send_frame(parts_->encoder.get(), nullptr), "the video's encoder");
  parts_->drain();
  parts_->write_sound(std::numeric_limits<std::int64_t>::max());
  parts_->check(av_write_trailer(parts_->file), "the video's end");
  avio_flush(parts_->io);
  parts_->check(0, "the video's end");
  auto head = std::move(parts_->head);
  head.resize(static_cast<std::size_t>(std::min(parts_->size, kHeadBytes)));
  return head;
}

}  // namespace infernode::media
