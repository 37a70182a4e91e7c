#include "pipelines/detect/drawing.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>

namespace infernode::detect {
namespace {

constexpr double kGoldenRatio = 0.618033988749895;

// Hues at golden-ratio steps: neighbouring class ids get colours far apart.
cv::Scalar class_colour(int class_id) {
  const double hue = std::fmod(0.05 + class_id * kGoldenRatio, 1.0) * 6;
  const auto channel = [&](double offset) {
    const double k = std::fmod(offset + hue, 6.0);
    return 255 * (0.95 - 0.75 * std::max(0.0, std::min({k, 4 - k, 1.0})));
  };
  return {channel(5), channel(3), channel(1)};
}

// Black or white, whichever reads better on the colour (ITU-R BT.601 luma).
cv::Scalar text_colour(const cv::Scalar& background) {
  const double luma = 0.299 * background[0] + 0.587 * background[1] + 0.114 * background[2];
  return luma > 140 ? cv::Scalar{0, 0, 0} : cv::Scalar{255, 255, 255};
}

}  // namespace

void draw_detections(media::Image& image, const std::vector<inference::Detection>& detections,
                     const std::vector<std::string>& labels) {
  cv::Mat canvas{image.height, image.width, CV_8UC3, image.pixels.data()};
  const double shorter = std::min(image.width, image.height);
  const double scale = std::max(0.4, shorter / 1300);
  const int thickness = std::max(1, static_cast<int>(std::lround(shorter / 380)));
  const int text_thickness = std::max(1, thickness / 2);
  // The best last, so that it lies on top.
  for (auto detection = detections.rbegin(); detection != detections.rend(); ++detection) {
    const cv::Scalar colour = class_colour(detection->class_id);
    const cv::Rect box{cv::Point{static_cast<int>(detection->x), static_cast<int>(detection->y)},
                       cv::Point{static_cast<int>(std::lround(detection->x + detection->width)),
                                 static_cast<int>(std::lround(detection->y + detection->height))}};
    cv::rectangle(canvas, box, colour, thickness);
    const std::string text =
        fmt::format("{} {:.0f}%", labels[static_cast<std::size_t>(detection->class_id)],
                    detection->confidence * 100);
    int baseline = 0;
    const cv::Size size =
        cv::getTextSize(text, cv::FONT_HERSHEY_SIMPLEX, scale, text_thickness, &baseline);
    const int pad = 2 * thickness;
    const int height = size.height + baseline + pad;
    const int left = std::clamp(box.x, 0, std::max(0, image.width - size.width - 2 * pad));
    const int top = box.y >= height ? box.y - height : std::min(box.y, image.height - height);
    cv::rectangle(canvas, cv::Rect{left, top, size.width + 2 * pad, height}, colour, cv::FILLED);
    cv::putText(canvas, text, cv::Point{left + pad, top + size.height + pad},
                cv::FONT_HERSHEY_SIMPLEX, scale, text_colour(colour), text_thickness, cv::LINE_AA);
  }
}

}  // namespace infernode::detect
