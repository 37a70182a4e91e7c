#include "pipelines/frame_images.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/json.hpp"

namespace infernode {
namespace {

namespace json = boost::json;

// What lies in the box (x, y, width and height in pixels), as far as it lies in the image.
media::Image cut(const media::Image& image, const json::array& box) {
  const auto edge = [&](std::size_t at, double more, int end) {
    return std::clamp(box.at(at).to_number<double>() + more, 0.0, static_cast<double>(end));
  };
  const int left = static_cast<int>(std::floor(edge(0, 0, image.width)));
  const int top = static_cast<int>(std::floor(edge(1, 0, image.height)));
  const int right =
      static_cast<int>(std::ceil(edge(0, box.at(2).to_number<double>(), image.width)));
  const int bottom =
      static_cast<int>(std::ceil(edge(1, box.at(3).to_number<double>(), image.height)));
  media::Image part;
  part.width = std::max(0, right - left);
  part.height = std::max(0, bottom - top);
  const auto row_bytes = static_cast<std::size_t>(part.width) * 3;
  part.pixels.resize(row_bytes * static_cast<std::size_t>(part.height));
  for (int y = 0; y < part.height; ++y) {
    const auto from = (static_cast<std::size_t>(top + y) * static_cast<std::size_t>(image.width) +
                       static_cast<std::size_t>(left)) *
                      3;
    std::memcpy(part.pixels.data() + static_cast<std::size_t>(y) * row_bytes,
                image.pixels.data() + from, row_bytes);
  }
  return part;
}

std::vector<media::Crop> crops_of(const media::Image& image, const json::array& objects,
                                  int quality) {
  std::vector<media::Crop> crops;
  auto pixels_left = std::int64_t{media::kMaxCropFrames} * image.width * image.height;
  const auto count = std::min<std::size_t>(objects.size(), media::kMaxCropObject);
  for (std::uint32_t i = 0; i < count && crops.size() < media::kMaxCrops; ++i) {
    const auto* box = objects[i].as_object().if_contains("box");
    if (box == nullptr) {
      continue;
    }
    const auto part = cut(image, box->as_array());
    const auto pixels = std::int64_t{part.width} * part.height;
    if (pixels > 0 && pixels <= pixels_left) {
      pixels_left -= pixels;
      crops.push_back({i, media::encode_jpeg(part, quality)});
    }
  }
  return crops;
}

}  // namespace

void FrameImages::add(const media::DecodedFrame& frame, const json::object& object,
                      FrameResult& result) {
  if (!common_.wants_images && !common_.wants_crops && !common_.wants_video) {
    return;
  }
  if (!converter_ || image_.width != frame.width || image_.height != frame.height) {
    converter_ = std::make_unique<media::FrameConverter>(frame.width, frame.height);
  }
  converter_->convert(*frame.picture, frame.rotation, image_);
  if (common_.wants_crops) {
    result.crops = crops_of(image_, object.at(list_).as_array(), common_.image_quality);
  }
  if (!common_.wants_images && !common_.wants_video) {
    return;
  }
  painter_.paint(image_, object);
  if (common_.wants_images) {
    result.jpeg = media::encode_jpeg(image_, common_.image_quality);
  }
  if (common_.wants_video) {
    result.picture = pictures_.make(image_, frame.time);
  }
}

}  // namespace infernode
