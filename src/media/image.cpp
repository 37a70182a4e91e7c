#include "media/image.hpp"

#include <turbojpeg.h>

#include <memory>
#include <stdexcept>
#include <string>

#include "media/container.hpp"

namespace infernode::media {

void FrameConverter::convert(const AVFrame& frame, Image& target) {
  if (!scaler_ || frame.width != source_width_ || frame.height != source_height_ ||
      frame.format != source_format_) {
    scaler_.reset(sws_getContext(frame.width, frame.height,
                                 static_cast<AVPixelFormat>(frame.format), width_, height_,
                                 AV_PIX_FMT_RGB24, SWS_BILINEAR, nullptr, nullptr, nullptr));
    if (!scaler_) {
      throw MediaError(MediaFault::unsupported, "The video's pixel format cannot be converted.");
    }
    // Unspecified colour spaces are BT.601, as everywhere in FFmpeg.
    const int* coefficients = sws_getCoefficients(frame.colorspace);
    sws_setColorspaceDetails(scaler_.get(), coefficients, frame.color_range == AVCOL_RANGE_JPEG,
                             sws_getCoefficients(SWS_CS_DEFAULT), 1, 0, 1 << 16, 1 << 16);
    source_width_ = frame.width;
    source_height_ = frame.height;
    source_format_ = frame.format;
  }
  target.width = width_;
  target.height = height_;
  target.pixels.resize(static_cast<std::size_t>(width_) * static_cast<std::size_t>(height_) * 3);
  std::uint8_t* planes[] = {target.pixels.data()};
  const int strides[] = {width_ * 3};
  sws_scale(scaler_.get(), frame.data, frame.linesize, 0, frame.height, planes, strides);
}

std::vector<std::byte> encode_jpeg(const Image& image, int quality) {
  struct Destroy {
    void operator()(void* handle) const { tjDestroy(handle); }
  };
  thread_local const std::unique_ptr<void, Destroy> compressor{tjInitCompress()};
  std::vector<std::byte> jpeg(tjBufSize(image.width, image.height, TJSAMP_420));
  auto* data = reinterpret_cast<unsigned char*>(jpeg.data());
  unsigned long size = jpeg.size();
  if (tjCompress2(compressor.get(), image.pixels.data(), image.width, 0, image.height, TJPF_RGB,
                  &data, &size, TJSAMP_420, quality, TJFLAG_NOREALLOC | TJFLAG_FASTDCT) != 0) {
    throw std::runtime_error(std::string{"JPEG: "} + tjGetErrorStr2(compressor.get()));
  }
  jpeg.resize(size);
  return jpeg;
}

}  // namespace infernode::media
