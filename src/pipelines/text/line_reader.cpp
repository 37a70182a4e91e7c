#include "pipelines/text/line_reader.hpp"

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>

#include "inference/preprocessing.hpp"

namespace infernode::text {
namespace {

// As PaddleOCR has them.
constexpr double kTurnedRatio = 1.5;     // of height to width
constexpr double kSureUpsideDown = 0.9;  // probability
constexpr int kMaxLineRatio = 60;        // of width to height; what is longer is squeezed
constexpr int kMaxLineWidth = 4096;      // pixels of the input

double distance(const cv::Point2f& a, const cv::Point2f& b) {
  return std::hypot(a.x - b.x, a.y - b.y);
}

// The line's pixels, level.
cv::Mat cut_out(const media::Image& frame, const Corners& corners) {
  const double width = std::max(distance(corners[0], corners[1]), distance(corners[3], corners[2]));
  const double height =
      std::max(distance(corners[0], corners[3]), distance(corners[1], corners[2]));
  const cv::Size size{std::max(1, static_cast<int>(width)), std::max(1, static_cast<int>(height))};
  const auto right = static_cast<float>(size.width);
  const auto bottom = static_cast<float>(size.height);
  const Corners level{cv::Point2f{0, 0}, {right, 0}, {right, bottom}, {0, bottom}};
  // OpenCV writes nothing to a source.
  const cv::Mat pixels{frame.height, frame.width, CV_8UC3,
                       const_cast<std::uint8_t*>(frame.pixels.data())};
  cv::Mat line;
  cv::warpPerspective(pixels, line, cv::getPerspectiveTransform(corners.data(), level.data()), size,
                      cv::INTER_CUBIC, cv::BORDER_REPLICATE);
  return line;
}

// A line as the model wants it: of the input's height, whole at the left; `widest` in pixels.
inference::InputTensor input_of(const cv::Mat& line, const inference::ModelInput& input,
                                int widest) {
  const double ratio = static_cast<double>(line.cols) / line.rows;
  inference::InputTensor tensor;
  auto& placement = tensor.placement;
  placement.input_height = input.height;
  placement.input_width = std::clamp(static_cast<int>(input.height * ratio), input.width, widest);
  placement.height = input.height;
  placement.width =
      std::clamp(static_cast<int>(std::ceil(input.height * ratio)), 1, placement.input_width);
  placement.frame_width = line.cols;
  placement.frame_height = line.rows;
  media::Image image{placement.width, placement.height, {}};
  image.pixels.resize(static_cast<std::size_t>(image.width) * image.height * 3);
  cv::Mat resized{image.height, image.width, CV_8UC3, image.pixels.data()};
  cv::resize(line, resized, resized.size());
  inference::fill_tensor(input, image, tensor);
  return tensor;
}

inference::Tensor run(const inference::LoadedModel& loaded, const cv::Mat& line, int widest) {
  auto input = input_of(line, loaded.model.input, widest);
  return std::move(loaded.session->run(input.values, input.shape).at(0));
}

}  // namespace

double LineReader::reading_width(const Corners& corners) const {
  if (reader_ == nullptr) {
    return 0;
  }
  const auto& input = reader_->model.input;
  const double one = distance(corners[0], corners[1]);
  const double other = distance(corners[0], corners[3]);
  const double ratio = std::max(one, other) / std::max(1.0, std::min(one, other));
  return std::clamp<double>(ratio * input.height, input.width,
                            std::max(input.width, kMaxLineWidth));
}

ReadLine LineReader::unread(const Corners& corners) {
  ReadLine read{corners, false, 0, {}};
  if (distance(corners[0], corners[3]) >= kTurnedRatio * distance(corners[0], corners[1])) {
    std::rotate(read.corners.begin(), read.corners.begin() + 1, read.corners.end());
  }
  return read;
}

ReadLine LineReader::read(const media::Image& frame, const Corners& corners) const {
  ReadLine read = unread(corners);
  if (direction_ == nullptr && reader_ == nullptr) {
    return read;
  }
  cv::Mat line = cut_out(frame, read.corners);
  if (direction_ != nullptr) {
    const auto output = run(*direction_, line, direction_->model.input.width);
    read.upside_down = inference::decode_text_direction(output);
    if (read.upside_down > kSureUpsideDown) {
      cv::rotate(line, line, cv::ROTATE_180);
      std::rotate(read.corners.begin(), read.corners.begin() + 2, read.corners.end());
      read.is_upside_down = true;
    }
  }
  if (reader_ != nullptr) {
    const auto& model = reader_->model;
    const int widest =
        std::max(model.input.width, std::min(kMaxLineRatio * model.input.height, kMaxLineWidth));
    read.line = inference::decode_text_line(run(*reader_, line, widest), model.alphabet);
  }
  return read;
}

}  // namespace infernode::text
