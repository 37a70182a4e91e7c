#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <opencv2/imgproc.hpp>

#include "inference/decoders/boxes.hpp"
#include "inference/decoders/reading.hpp"

namespace infernode::inference {
namespace {

constexpr std::size_t kMaxRegions = 1000;
constexpr float kLeastSide = 3;       // pixels of the map, before a region grows
constexpr float kLeastGrownSide = 5;  // and after

using Corners = std::array<cv::Point2f, 4>;

// Clockwise from the upper left: of the two leftmost the upper, of the two rightmost the upper ...
Corners corners_of(const cv::RotatedRect& rectangle) {
  Corners corners;
  rectangle.points(corners.data());
  std::sort(corners.begin(), corners.end(),
            [](const auto& a, const auto& b) { return a.x != b.x ? a.x < b.x : a.y < b.y; });
  const auto upper_first = [](cv::Point2f& a, cv::Point2f& b) {
    if (b.y < a.y) {
      std::swap(a, b);
    }
  };
  upper_first(corners[0], corners[1]);
  upper_first(corners[2], corners[3]);
  return {corners[0], corners[2], corners[3], corners[1]};
}

// The mean of the map in a region.
double score_of(const cv::Mat& map, const Corners& corners) {
  std::vector<cv::Point> points;
  for (const auto& corner : corners) {
    points.emplace_back(static_cast<int>(corner.x), static_cast<int>(corner.y));
  }
  const cv::Rect area = cv::boundingRect(points) & cv::Rect{0, 0, map.cols, map.rows};
  if (area.empty()) {
    return 0;
  }
  for (auto& point : points) {
    point -= area.tl();
  }
  cv::Mat inside = cv::Mat::zeros(area.size(), CV_8UC1);
  cv::fillPoly(inside, std::vector<std::vector<cv::Point>>{points}, cv::Scalar{1});
  return cv::mean(map(area), inside)[0];
}

cv::RotatedRect grown(const cv::RotatedRect& rectangle, double unclip) {
  const auto& size = rectangle.size;
  const double by = size.area() * unclip / (2.0 * (size.width + size.height));
  const auto both = static_cast<float>(2 * by);
  return {rectangle.center, cv::Size2f{size.width + both, size.height + both}, rectangle.angle};
}

bool is_finite(const Corners& corners) {
  return std::all_of(corners.begin(), corners.end(), [](const auto& corner) {
    return std::isfinite(corner.x) && std::isfinite(corner.y);
  });
}

}  // namespace

std::vector<Candidate> decode_text_regions(const std::vector<Tensor>& outputs,
                                           const DecoderContext& context) {
  const auto& tensor = outputs.at(0);
  const std::vector<std::int64_t> wanted{1, 1, context.input_height, context.input_width};
  if (tensor.shape != wanted) {
    refuse_shape(tensor, fmt::format("[1, 1, {}, {}]", context.input_height, context.input_width));
  }
  cv::Mat map(context.input_height, context.input_width, CV_32FC1);  // braces would list its values
  std::copy(tensor.values.begin(), tensor.values.end(), map.begin<float>());
  cv::Mat is_text;
  cv::compare(map, context.options.threshold, is_text, cv::CMP_GT);
  std::vector<std::vector<cv::Point>> outlines;
  cv::findContours(is_text, outlines, cv::RETR_LIST, cv::CHAIN_APPROX_SIMPLE);
  std::erase_if(outlines, [](const std::vector<cv::Point>& outline) {
    const auto box = cv::boundingRect(outline);
    return std::min(box.width, box.height) <= kLeastSide;
  });
  if (outlines.size() > kMaxRegions) {
    // The largest, whose work is bounded so.
    std::nth_element(outlines.begin(), outlines.begin() + kMaxRegions, outlines.end(),
                     [](const auto& a, const auto& b) {
                       return cv::boundingRect(a).area() > cv::boundingRect(b).area();
                     });
    outlines.resize(kMaxRegions);
  }
  std::vector<Candidate> candidates;
  for (const auto& outline : outlines) {
    const auto rectangle = cv::minAreaRect(outline);
    if (std::min(rectangle.size.width, rectangle.size.height) < kLeastSide) {
      continue;
    }
    const double score = score_of(map, corners_of(rectangle));
    const auto region = grown(rectangle, context.options.unclip);
    const auto corners = corners_of(region);
    if (std::min(region.size.width, region.size.height) < kLeastGrownSide || !is_finite(corners)) {
      continue;
    }
    Candidate found{0, score, HUGE_VAL, HUGE_VAL, -HUGE_VAL, -HUGE_VAL};
    for (const auto& corner : corners) {
      found.keypoints.push_back({corner.x, corner.y});
      found.left = std::min<double>(found.left, corner.x);
      found.top = std::min<double>(found.top, corner.y);
      found.right = std::max<double>(found.right, corner.x);
      found.bottom = std::max<double>(found.bottom, corner.y);
    }
    add_candidate(candidates, context.confidence, found);
  }
  return candidates;
}

}  // namespace infernode::inference
