#include "media/picture.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <new>

#include "media/media_info.hpp"

namespace infernode::media {
namespace {

AVCodecID codec_of(std::span<const std::byte> file) {
  constexpr std::array<unsigned char, 3> kJpeg{0xff, 0xd8, 0xff};
  constexpr std::array<unsigned char, 4> kPng{0x89, 'P', 'N', 'G'};
  const auto starts_with = [&](std::span<const unsigned char> mark) {
    return file.size() > mark.size() && std::memcmp(file.data(), mark.data(), mark.size()) == 0;
  };
  if (starts_with(kJpeg)) {
    return AV_CODEC_ID_MJPEG;
  }
  if (starts_with(kPng)) {
    return AV_CODEC_ID_PNG;
  }
  throw MediaError(MediaFault::not_a_video, "The picture is neither a JPEG nor a PNG.");
}

}  // namespace

DecodedFrame decode_picture(std::span<const std::byte> file) {
  const auto* codec = avcodec_find_decoder(codec_of(file));
  const CodecPtr decoder{codec == nullptr ? nullptr : avcodec_alloc_context3(codec)};
  const PacketPtr packet{av_packet_alloc()};
  DecodedFrame frame;
  frame.picture.reset(av_frame_alloc());
  if (!decoder || !packet || !frame.picture ||
      av_new_packet(packet.get(), static_cast<int>(file.size())) < 0) {
    throw std::bad_alloc{};
  }
  std::copy(file.begin(), file.end(), reinterpret_cast<std::byte*>(packet->data));
  decoder->max_pixels = kMaxPixels;
  decoder->thread_count = 1;
  if (avcodec_open2(decoder.get(), codec, nullptr) < 0 ||
      avcodec_send_packet(decoder.get(), packet.get()) < 0 ||
      avcodec_send_packet(decoder.get(), nullptr) < 0 ||
      avcodec_receive_frame(decoder.get(), frame.picture.get()) < 0) {
    throw MediaError(MediaFault::damaged, "The picture cannot be decoded.");
  }
  frame.width = frame.picture->width;
  frame.height = frame.picture->height;
  return frame;
}

}  // namespace infernode::media
