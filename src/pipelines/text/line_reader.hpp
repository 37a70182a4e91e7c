#pragma once

#include <array>
#include <opencv2/core.hpp>

#include "inference/decoders/text_line.hpp"
#include "inference/runner_models.hpp"
#include "media/image.hpp"

namespace infernode::text {

// Corners of a line in pixels of the frame, clockwise from where its upper left is.
using Corners = std::array<cv::Point2f, 4>;

struct ReadLine {
  Corners corners;  // from where the text begins
  bool is_upside_down = false;
  double upside_down = 0;  // how likely that is, 0..1
  inference::TextLine line;
};

// Reads lines, one at a time; several may use the same loaded models at once.
class LineReader {
public:
  // Either may be nullptr: then text is taken to stand upright, or nothing is read. They must
  // outlive it.
  LineReader(const inference::LoadedModel* direction, const inference::LoadedModel* reader)
      : direction_{direction}, reader_{reader} {}

  // About how wide a line is for the reader, in pixels of its input, which is what it costs. 0
  // where nothing is read.
  double reading_width(const Corners& corners) const;
  // Its corners alone, from where text that stands upright begins.
  static ReadLine unread(const Corners& corners);
  // A line that is much higher than wide is one that was turned. Throws std::runtime_error where
  // a model's outputs have another shape than its manifest says.
  ReadLine read(const media::Image& frame, const Corners& corners) const;

private:
  const inference::LoadedModel* direction_;
  const inference::LoadedModel* reader_;
};

}  // namespace infernode::text
