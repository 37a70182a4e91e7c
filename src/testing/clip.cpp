extern "C" {
#include <libavformat/avformat.h>
}

#include <filesystem>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>

#include "media/image.hpp"
#include "testing/test_server.hpp"

namespace infernode::test {
namespace {

constexpr int kWidth = 64;
constexpr int kHeight = 48;

void require(bool good, const char* what) {
  if (!good) {
    throw std::runtime_error(what);
  }
}

// Something that moves.
std::vector<std::byte> picture(int frame) {
  media::Image image;
  image.width = kWidth;
  image.height = kHeight;
  image.pixels.assign(std::size_t{kWidth} * kHeight * 3, 30);
  for (int y = 10; y < 30; ++y) {
    for (int x = 0; x < 10; ++x) {
      const int at = (y * kWidth + (x + 5 * frame) % kWidth) * 3;
      image.pixels[static_cast<std::size_t>(at)] = 220;
    }
  }
  return media::encode_jpeg(image, 90);
}

}  // namespace

void write_clip(const std::filesystem::path& file, int frames, int broken_from) {
  AVFormatContext* raw = nullptr;
  require(avformat_alloc_output_context2(&raw, nullptr, "matroska", file.c_str()) >= 0, "muxer");
  const std::unique_ptr<AVFormatContext, decltype(&avformat_free_context)> muxer{
      raw, avformat_free_context};
  AVStream* stream = avformat_new_stream(raw, nullptr);
  require(stream != nullptr, "stream");
  stream->codecpar->codec_type = AVMEDIA_TYPE_VIDEO;
  stream->codecpar->codec_id = AV_CODEC_ID_MJPEG;
  stream->codecpar->width = kWidth;
  stream->codecpar->height = kHeight;
  stream->time_base = {1, 1000};
  require(avio_open(&raw->pb, file.c_str(), AVIO_FLAG_WRITE) >= 0, "file");
  require(avformat_write_header(raw, nullptr) >= 0, "header");
  for (int frame = 0; frame < frames; ++frame) {
    auto bytes = picture(frame);
    if (frame >= broken_from) {
      bytes.assign(bytes.size(), std::byte{0});
    }
    AVPacket* packet = av_packet_alloc();
    require(av_new_packet(packet, static_cast<int>(bytes.size())) >= 0, "packet");
    std::copy(bytes.begin(), bytes.end(), reinterpret_cast<std::byte*>(packet->data));
    packet->pts = packet->dts = frame * 40;
    packet->duration = 40;
    packet->flags |= AV_PKT_FLAG_KEY;
    require(av_interleaved_write_frame(raw, packet) >= 0, "write");
    av_packet_free(&packet);
  }
  require(av_write_trailer(raw) >= 0, "trailer");
  avio_closep(&raw->pb);
}

void write_padded_clip(const std::filesystem::path& file, std::uint32_t box) {
  std::filesystem::copy_file(kClip, file);
  std::ofstream out{file, std::ios::binary | std::ios::app};
  for (int shift = 24; shift >= 0; shift -= 8) {
    out.put(static_cast<char>(box >> shift & 0xff));
  }
  out << "free" << std::string(box - 8, 'x') << std::flush;
  require(out.good(), "the clip cannot be written");
}

}  // namespace infernode::test
