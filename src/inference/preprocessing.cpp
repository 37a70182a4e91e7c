#include "inference/preprocessing.hpp"

#include <algorithm>
#include <cmath>

#include "media/media_info.hpp"

namespace infernode::inference {
namespace {

// What is cut off is converted before: it has so many times the input's pixels at most, and no more
// than a picture may have. Of a narrower strip of a picture more is shown.
constexpr double kMostCropped = 16;

int at_least_one(double pixels) {
  return std::max(1, static_cast<int>(std::lround(pixels)));
}

// How much larger a frame is in an input of a given size.
double ratio_of(const ModelInput& input, int frame_width, int frame_height) {
  const double across = static_cast<double>(input.width) / frame_width;
  const double down = static_cast<double>(input.height) / frame_height;
  const double whole = std::min(across, down);
  if (input.fit != Fit::crop) {
    return whole;
  }
  const double most_pixels =
      std::min(kMostCropped * input.width * input.height, static_cast<double>(media::kMaxPixels));
  const double most = std::sqrt(most_pixels / (static_cast<double>(frame_width) * frame_height));
  return std::max(whole, std::min(std::max(across, down) / input.crop_share, most));
}

int filled_up(int pixels, int multiple) {
  return (pixels + multiple - 1) / multiple * multiple;
}

}  // namespace

Placement place(const ModelInput& input, int frame_width, int frame_height) {
  Placement placement;
  placement.frame_width = frame_width;
  placement.frame_height = frame_height;
  const bool follows = input.longest_side > 0;
  const double ratio =
      follows ? static_cast<double>(input.longest_side) / std::max(frame_width, frame_height)
              : ratio_of(input, frame_width, frame_height);
  placement.width = at_least_one(frame_width * ratio);
  placement.height = at_least_one(frame_height * ratio);
  placement.input_width = follows ? filled_up(placement.width, input.multiple_of) : input.width;
  placement.input_height = follows ? filled_up(placement.height, input.multiple_of) : input.height;
  if (input.fit == Fit::stretch) {
    placement.width = placement.input_width;
    placement.height = placement.input_height;
  } else if (input.fit == Fit::letterbox || input.fit == Fit::crop) {
    placement.left = (placement.input_width - placement.width) / 2;
    placement.top = (placement.input_height - placement.height) / 2;
  }
  return placement;
}

void fill_tensor(const ModelInput& input, const media::Image& image, InputTensor& tensor) {
  const auto& placement = tensor.placement;
  const auto width = static_cast<std::size_t>(placement.input_width);
  const auto height = static_cast<std::size_t>(placement.input_height);
  const bool rows_first = input.layout == Layout::nhwc;
  tensor.shape =
      rows_first ? std::vector<std::int64_t>{1, placement.input_height, placement.input_width, 3}
                 : std::vector<std::int64_t>{1, 3, placement.input_height, placement.input_width};
  // The part of the frame that is in the input.
  const int first_x = std::max(0, -placement.left);
  const int first_y = std::max(0, -placement.top);
  const int end_x = std::min(placement.width, placement.input_width - placement.left);
  const int end_y = std::min(placement.height, placement.input_height - placement.top);
  const bool filled =
      end_x - first_x != placement.input_width || end_y - first_y != placement.input_height;
  tensor.values.resize(width * height * 3);
  for (std::size_t channel = 0; channel < 3; ++channel) {
    const auto factor = static_cast<float>(input.scale / input.deviation[channel]);
    const auto shift = static_cast<float>(-input.mean[channel] / input.deviation[channel]);
    const std::size_t source = input.channels == Channels::rgb ? channel : 2 - channel;
    const std::size_t step = rows_first ? 3 : 1;
    float* plane = tensor.values.data() + (rows_first ? channel : channel * width * height);
    if (filled) {
      const float around = static_cast<float>(input.fill) * factor + shift;
      for (std::size_t i = 0; i < width * height; ++i) {
        plane[i * step] = around;
      }
    }
    for (int y = first_y; y < end_y; ++y) {
      const std::uint8_t* pixel =
          image.pixels.data() +
          (static_cast<std::size_t>(y) * image.width + static_cast<std::size_t>(first_x)) * 3 +
          source;
      float* value = plane + (static_cast<std::size_t>(y + placement.top) * width +
                              static_cast<std::size_t>(placement.left + first_x)) *
                                 step;
      for (int x = 0; x < end_x - first_x; ++x) {
        value[static_cast<std::size_t>(x) * step] =
            static_cast<float>(pixel[static_cast<std::size_t>(x) * 3]) * factor + shift;
      }
    }
  }
}

InputTensor& Preprocessor::prepare(const media::DecodedFrame& frame) {
  const Placement placement = place(input_, frame.width, frame.height);
  if (!converter_ || placement != tensor_.placement) {
    converter_ = std::make_unique<media::FrameConverter>(placement.width, placement.height);
    tensor_.placement = placement;
  }
  converter_->convert(*frame.picture, frame.rotation, image_);
  fill_tensor(input_, image_, tensor_);
  return tensor_;
}

}  // namespace infernode::inference
