#include "pipelines/drawing.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <opencv2/imgproc.hpp>

#include "core/json.hpp"
#include "pipelines/pipeline.hpp"
#include "pipelines/zones_step.hpp"

namespace infernode {
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

// The one that was asked for, its track's, or its label's.
cv::Scalar colour_of(const json::object& box, const DrawingStyle& style) {
  if (const auto* label = box.if_contains("label")) {
    const auto chosen = style.colours.find(json::value_to<std::string>(*label));
    if (chosen != style.colours.end()) {
      const auto& [red, green, blue] = chosen->second;
      return {1.0 * red, 1.0 * green, 1.0 * blue};
    }
  }
  for (const char* key : {"track_id", "class_id"}) {
    if (const auto* number = box.if_contains(key)) {
      return colour_of(number->as_int64());
    }
  }
  return colour_of(0);
}

// Black or white, whichever reads better on the colour (ITU-R BT.601 luma).
cv::Scalar text_colour(const cv::Scalar& background) {
  const double luma = 0.299 * background[0] + 0.587 * background[1] + 0.114 * background[2];
  return luma > 140 ? cv::Scalar{0, 0, 0} : cv::Scalar{255, 255, 255};
}

constexpr std::size_t kMaxDrawnText = 80;  // characters

// The font has nothing but ASCII.
bool is_drawable(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](char letter) { return letter >= ' ' && letter <= '~'; });
}

// "person 87%", "#3 person 87%", and "#3 person" where nothing was found; what was read, where
// that can be drawn.
std::string caption(const json::object& box) {
  std::string text;
  const auto add = [&text](const std::string& word) { text += (text.empty() ? "" : " ") + word; };
  if (const auto* id = box.if_contains("track_id")) {
    add(fmt::format("#{}", id->as_int64()));
  }
  const auto* read = box.if_contains("text");
  if (read != nullptr && is_drawable(std::string_view{read->as_string()})) {
    add(std::string{utf8_prefix(read->as_string(), kMaxDrawnText)});
    return text;
  }
  if (const auto* label = box.if_contains("label")) {
    add(json::value_to<std::string>(*label));
  }
  if (!box.contains("interpolated")) {
    add(fmt::format("{:.0f}%", box.at("confidence").to_number<double>() * 100));
  }
  return text;
}

// A picture to draw on, and how large things on it are.
struct Canvas {
  explicit Canvas(media::Image& image)
      : pixels{image.height, image.width, CV_8UC3, image.pixels.data()},
        scale{std::max(0.4, std::min(image.width, image.height) / 1300.0)},
        thickness{std::max(
            1, static_cast<int>(std::lround(std::min(image.width, image.height) / 380.0)))} {}

  // Text on a plate: above `anchor` if there is room, inside the picture in any case; `line` plates
  // further down.
  void put_text(const std::string& text, cv::Point anchor, const cv::Scalar& colour, int line = 0) {
    const int text_thickness = std::max(1, thickness / 2);
    int baseline = 0;
    const cv::Size size =
        cv::getTextSize(text, cv::FONT_HERSHEY_SIMPLEX, scale, text_thickness, &baseline);
    const int pad = 2 * thickness;
    const int height = size.height + baseline + pad;
    const int left = std::clamp(anchor.x, 0, std::max(0, pixels.cols - size.width - 2 * pad));
    const int first = anchor.y >= height ? anchor.y - height : anchor.y;
    const int top = std::clamp(first + line * height, 0, std::max(0, pixels.rows - height));
    cv::rectangle(pixels, cv::Rect{left, top, size.width + 2 * pad, height}, colour, cv::FILLED);
    cv::putText(pixels, text, cv::Point{left + pad, top + size.height + pad},
                cv::FONT_HERSHEY_SIMPLEX, scale, text_colour(colour), text_thickness, cv::LINE_AA);
  }

  cv::Mat pixels;
  double scale;
  int thickness;
};

// What is far outside of the picture is drawn at its edge: OpenCV counts in 16 bits and more.
cv::Point pixel(const tracking::Point& point) {
  const auto bounded = [](double value) {
    return static_cast<int>(std::lround(std::clamp(value, -30000.0, 30000.0)));
  };
  return {bounded(point.x), bounded(point.y)};
}

constexpr double kLeastKeypointConfidence = 0.3;

// Which keypoints a line joins, by their names in COCO.
constexpr std::array<std::array<const char*, 2>, 16> kBones{{
    {"nose", "left eye"},
    {"nose", "right eye"},
    {"left eye", "left ear"},
    {"right eye", "right ear"},
    {"left shoulder", "right shoulder"},
    {"left shoulder", "left elbow"},
    {"left elbow", "left wrist"},
    {"right shoulder", "right elbow"},
    {"right elbow", "right wrist"},
    {"left shoulder", "left hip"},
    {"right shoulder", "right hip"},
    {"left hip", "right hip"},
    {"left hip", "left knee"},
    {"left knee", "left ankle"},
    {"right hip", "right knee"},
    {"right knee", "right ankle"},
}};

// Those that the model is sure enough of.
void draw_keypoints(Canvas& canvas, const json::object& keypoints, const cv::Scalar& colour) {
  std::map<std::string, cv::Point, std::less<>> points;
  for (const auto& [name, value] : keypoints) {
    const auto& point = value.as_array();
    if (point.size() < 3 || point.at(2).to_number<double>() >= kLeastKeypointConfidence) {
      std::string spoken{name};  // some write left_eye
      std::replace(spoken.begin(), spoken.end(), '_', ' ');
      points.emplace(std::move(spoken),
                     pixel({point.at(0).to_number<double>(), point.at(1).to_number<double>()}));
    }
  }
  for (const auto& [from, to] : kBones) {
    const auto start = points.find(from);
    const auto end = points.find(to);
    if (start != points.end() && end != points.end()) {
      cv::line(canvas.pixels, start->second, end->second, colour, canvas.thickness, cv::LINE_AA);
    }
  }
  for (const auto& [name, point] : points) {
    cv::circle(canvas.pixels, point, 2 * canvas.thickness, colour, cv::FILLED, cv::LINE_AA);
  }
}

void draw_polygon(Canvas& canvas, const json::array& corners, const cv::Scalar& colour) {
  std::vector<cv::Point> points;
  for (const auto& corner : corners) {
    points.push_back(pixel({corner.at(0).to_number<double>(), corner.at(1).to_number<double>()}));
  }
  cv::polylines(canvas.pixels, points, true, colour, canvas.thickness, cv::LINE_AA);
}

// Blocks a side that are left of what is hidden: too few to know a face or a plate by.
constexpr int kHiddenBlocks = 6;
constexpr double kHiddenMarginShare = 0.1;  // of a side, at each end

void hide(cv::Mat& pixels, const json::value& sides, DrawingStyle::Hiding hiding) {
  const auto side = [&](std::size_t i) { return sides.at(i).to_number<double>(); };
  const double around_x = side(2) * kHiddenMarginShare;
  const double around_y = side(3) * kHiddenMarginShare;
  const cv::Rect box{cv::Point{static_cast<int>(std::floor(side(0) - around_x)),
                               static_cast<int>(std::floor(side(1) - around_y))},
                     cv::Point{static_cast<int>(std::ceil(side(0) + side(2) + around_x)),
                               static_cast<int>(std::ceil(side(1) + side(3) + around_y))}};
  cv::Mat area = pixels(box & cv::Rect{0, 0, pixels.cols, pixels.rows});
  if (area.empty()) {
    return;
  }
  if (hiding == DrawingStyle::Hiding::fill) {
    area.setTo(cv::Scalar{0, 0, 0});
    return;
  }
  // Half of its pixels at most, however small it is.
  const auto blocks = [](int length) { return std::clamp(length / 2, 1, kHiddenBlocks); };
  cv::Mat few;
  cv::resize(area, few, cv::Size{blocks(area.cols), blocks(area.rows)}, 0, 0, cv::INTER_AREA);
  cv::resize(few, area, area.size(), 0, 0,
             hiding == DrawingStyle::Hiding::blur ? cv::INTER_LINEAR : cv::INTER_NEAREST);
}

// "gate  3 forward, 1 backward", "court  2 inside".
std::string zone_caption(const std::string& name, const json::object& frame) {
  std::string text = name;
  const auto* zones = frame.if_contains("zones");
  const auto* state = zones == nullptr ? nullptr : zones->as_object().if_contains(name);
  if (state != nullptr) {
    const char* before = "  ";
    for (const auto& [word, count] : state->as_object()) {
      text += fmt::format("{}{} {}", before, count.as_int64(), std::string_view{word});
      before = ", ";
    }
  }
  return text;
}

}  // namespace

DrawingStyle drawing_style(const json::object& params) {
  DrawingStyle style;
  style.zones = zones_of(params);
  const auto how = anonymizing(params);
  style.hiding = how == "blur"       ? DrawingStyle::Hiding::blur
                 : how == "pixelate" ? DrawingStyle::Hiding::pixelate
                 : how == "fill"     ? DrawingStyle::Hiding::fill
                                     : DrawingStyle::Hiding::none;
  if (const auto* colours = params.if_contains("colours")) {
    for (const auto& [label, value] : colours->as_object()) {
      const auto text = json::value_to<std::string>(value);  // "#rrggbb", as the schema says
      std::uint32_t number = 0;
      std::from_chars(text.data() + 1, text.data() + text.size(), number, 16);
      style.colours.insert_or_assign(
          label, std::array<std::uint8_t, 3>{static_cast<std::uint8_t>(number >> 16),
                                             static_cast<std::uint8_t>(number >> 8 & 255),
                                             static_cast<std::uint8_t>(number & 255)});
    }
  }
  return style;
}

void draw_boxes(media::Image& image, const json::array& boxes, const DrawingStyle& style) {
  Canvas canvas{image};
  // The best last, so that it lies on top.
  for (auto each = boxes.rbegin(); each != boxes.rend(); ++each) {
    const auto& object = each->as_object();
    const cv::Scalar colour = colour_of(object, style);
    const auto& sides = object.at("box").as_array();
    const auto side = [&](std::size_t i) { return sides.at(i).to_number<double>(); };
    const cv::Rect box{cv::Point{static_cast<int>(side(0)), static_cast<int>(side(1))},
                       cv::Point{static_cast<int>(std::lround(side(0) + side(2))),
                                 static_cast<int>(std::lround(side(1) + side(3)))}};
    if (const auto* polygon = object.if_contains("polygon")) {
      draw_polygon(canvas, polygon->as_array(), colour);
    } else {
      cv::rectangle(canvas.pixels, box, colour, canvas.thickness);
    }
    if (const auto* keypoints = object.if_contains("keypoints")) {
      draw_keypoints(canvas, keypoints->as_object(), colour);
    }
    // What has the same box stands below what is surer.
    const auto same = std::count_if(std::next(each), boxes.rend(), [&](const json::value& better) {
      return better.at("box") == object.at("box");
    });
    canvas.put_text(caption(object), {box.x, box.y}, colour, static_cast<int>(same));
  }
}

void hide_boxes(media::Image& image, const json::object& frame, const std::string& list,
                DrawingStyle::Hiding hiding) {
  cv::Mat pixels{image.height, image.width, CV_8UC3, image.pixels.data()};
  for (const auto& found : frame.at(list).as_array()) {
    hide(pixels, found.at("box"), hiding);
  }
  if (const auto* besides = frame.if_contains("hidden")) {
    for (const auto& box : besides->as_array()) {
      hide(pixels, box, hiding);
    }
  }
}

void draw_zones(media::Image& image, const json::object& frame, const DrawingStyle& style) {
  Canvas canvas{image};
  for (std::size_t i = 0; i < style.zones.size(); ++i) {
    const auto& zone = style.zones[i];
    std::vector<cv::Point> points;
    for (const auto& point : zone.points) {
      points.push_back(pixel(point));
    }
    const cv::Scalar white{255, 255, 255};
    cv::polylines(canvas.pixels, points, !zone.is_line, cv::Scalar{0, 0, 0}, 3 * canvas.thickness,
                  cv::LINE_AA);
    cv::polylines(canvas.pixels, points, !zone.is_line, white, canvas.thickness, cv::LINE_AA);
    canvas.put_text(zone_caption(zone.name, frame), points.front(), white);
  }
}

}  // namespace infernode
