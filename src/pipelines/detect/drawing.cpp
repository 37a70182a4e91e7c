#include "pipelines/detect/drawing.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>
#include <string>

namespace infernode::detect {
namespace {

namespace json = boost::json;

constexpr double kGoldenRatio = 0.618033988749895;

// Hues at golden-ratio steps: neighbouring numbers get colours far apart.
cv::Scalar colour_of(std::int64_t number) {
  const double hue = std::fmod(0.05 + static_cast<double>(number) * kGoldenRatio, 1.0) * 6;
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

// "person 87%", "#3 person 87%", and "#3 person" where nothing was found.
std::string caption(const json::object& object) {
  std::string text = json::value_to<std::string>(object.at("label"));
  if (const auto* id = object.if_contains("track_id")) {
    text = fmt::format("#{} {}", id->as_int64(), text);
  }
  return object.contains("interpolated")
             ? text
             : fmt::format("{} {:.0f}%", text, object.at("confidence").to_number<double>() * 100);
}

}  // namespace

void draw_objects(media::Image& image, const json::object& frame) {
  cv::Mat canvas{image.height, image.width, CV_8UC3, image.pixels.data()};
  const double shorter = std::min(image.width, image.height);
  const double scale = std::max(0.4, shorter / 1300);
  const int thickness = std::max(1, static_cast<int>(std::lround(shorter / 380)));
  const int text_thickness = std::max(1, thickness / 2);
  const auto& objects = frame.at("objects").as_array();
  // The best last, so that it lies on top.
  for (auto each = objects.rbegin(); each != objects.rend(); ++each) {
    const auto& object = each->as_object();
    const auto* id = object.if_contains("track_id");
    const cv::Scalar colour = colour_of((id == nullptr ? object.at("class_id") : *id).as_int64());
    const auto& sides = object.at("box").as_array();
    const auto side = [&](std::size_t i) { return sides.at(i).to_number<double>(); };
    const cv::Rect box{cv::Point{static_cast<int>(side(0)), static_cast<int>(side(1))},
                       cv::Point{static_cast<int>(std::lround(side(0) + side(2))),
                                 static_cast<int>(std::lround(side(1) + side(3)))}};
    cv::rectangle(canvas, box, colour, thickness);
    const std::string text = caption(object);
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
