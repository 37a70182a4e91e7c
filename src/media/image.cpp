#include "media/image.hpp"

#include <turbojpeg.h>

#include <memory>
#include <opencv2/core.hpp>
#include <stdexcept>
#include <string>

#include "media/container.hpp"

namespace infernode::media {
namespace {

// swscale's converters without scaling write whole blocks of 16 pixels, also behind the last row:
// 42 bytes were seen (FFmpeg 5.1, x86).
constexpr std::size_t kOvershootBytes = 64;

}  // namespace

void FrameConverter::scale(const AVFrame& frame, int width, int height, Image& target) {
  if (!scaler_ || frame.width != source_width_ || frame.height != source_height_ ||
      frame.format != source_format_ || frame.colorspace != source_colours_ ||
      frame.color_range != source_range_) {
    scaler_.reset(sws_getContext(frame.width, frame.height,
                                 static_cast<AVPixelFormat>(frame.format), width, height,
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
    source_colours_ = frame.colorspace;
    source_range_ = frame.color_range;
  }
  target.width = width;
  target.height = height;
  const std::size_t bytes = static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 3;
  target.pixels.reserve(bytes + kOvershootBytes);
  target.pixels.resize(bytes);
  std::uint8_t* planes[] = {target.pixels.data()};
  const int strides[] = {width * 3};
  sws_scale(scaler_.get(), frame.data, frame.linesize, 0, frame.height, planes, strides);
}

void FrameConverter::convert(const AVFrame& frame, int rotation, Image& target) {
  if (rotation == 0) {
    scale(frame, width_, height_, target);
    return;
  }
  const bool lies = rotation != 180;
  scale(frame, lies ? height_ : width_, lies ? width_ : height_, unturned_);
  target.width = width_;
  target.height = height_;
  target.pixels.resize(unturned_.pixels.size());
  const cv::Mat from{unturned_.height, unturned_.width, CV_8UC3, unturned_.pixels.data()};
  cv::Mat to{height_, width_, CV_8UC3, target.pixels.data()};
  cv::rotate(from, to,
             rotation == 90    ? cv::ROTATE_90_CLOCKWISE
             : rotation == 180 ? cv::ROTATE_180
                               : cv::ROTATE_90_COUNTERCLOCKWISE);
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
