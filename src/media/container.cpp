#include "media/container.hpp"

#include <fmt/format.h>

namespace infernode::media {
namespace {

constexpr int kIoBufferBytes = 64 * 1024;
// 8K UHD and a little more; a hostile header must not make the decoder allocate gigabytes.
constexpr std::int64_t kMaxPixels = 40'000'000;
// Containers that hold video as such. FFmpeg also "plays" text, images and playlists that name
// other files; none of those is a video here. Bare elementary streams are left out too: their
// probes take almost any bytes for theirs.
constexpr const char* kFormats =
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,ogg,asf,mxf,ivf,nut,wtv";

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
  } catch (const std::exception&) {
    return AVERROR(EIO);  // an exception must not cross FFmpeg's C frames
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
    if (opened < 0) {
      throw MediaError(MediaFault::not_a_video,
                       "The file is not a video that can be read: " + av_error_text(opened) + ".");
    }
    format_->max_analyze_duration = 5 * AV_TIME_BASE;
    const int analysed = avformat_find_stream_info(format_, nullptr);
    const int index = analysed < 0
                          ? analysed
                          : av_find_best_stream(format_, AVMEDIA_TYPE_VIDEO, -1, -1, nullptr, 0);
    if (index < 0 || (format_->streams[index]->disposition & AV_DISPOSITION_ATTACHED_PIC) != 0) {
      throw MediaError(MediaFault::not_a_video, "The file holds no video stream.");
    }
    stream_ = format_->streams[index];
    const auto& parameters = *stream_->codecpar;
    if (parameters.width <= 0 || parameters.height <= 0) {
      throw MediaError(MediaFault::damaged,
                       "The video's frames have no size; the file may be cut "
                       "off or damaged.");
    }
    if (static_cast<std::int64_t>(parameters.width) * parameters.height > kMaxPixels) {
      throw MediaError(MediaFault::unsupported,
                       fmt::format("Frames of {}x{} are too large; {} pixels are the limit.",
                                   parameters.width, parameters.height, kMaxPixels));
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

Container::~Container() {
  close();
}

void Container::close() {
  codec_.reset();
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

bool Container::read_packet(AVPacket& packet) {
  for (;;) {
    av_packet_unref(&packet);
    const int status = av_read_frame(format_, &packet);
    if (status == AVERROR_EOF) {
      return false;
    }
    if (status < 0) {
      throw MediaError(MediaFault::damaged,
                       "The video cannot be read to its end: " + av_error_text(status) + ".");
    }
    if (packet.stream_index == stream_->index) {
      return true;
    }
  }
}

bool Container::ended_early() const {
  return io_->error < 0 && io_->error != AVERROR_EOF;
}

void Container::seek(std::int64_t pts) {
  if (av_seek_frame(format_, stream_->index, pts, AVSEEK_FLAG_BACKWARD) < 0) {
    throw MediaError(MediaFault::damaged, "The video cannot be searched.");
  }
  if (codec_) {
    avcodec_flush_buffers(codec_.get());
  }
}

}  // namespace infernode::media
