#pragma once

#include <string>
#include <vector>

#include "inference/onnx_session.hpp"

namespace infernode::inference {

// What stands in a picture of one line.
struct TextLine {
  std::string text;       // UTF-8
  double confidence = 0;  // 0..1, the mean of its characters'; 0 where there are none
};

// [1, T, C + 1], probabilities of each character of an alphabet of C behind the blank, at T steps
// along the line: the likeliest of each step, repeated ones taken once and blanks left out (Graves
// et al., "Connectionist Temporal Classification", 2006). Throws std::runtime_error for an output
// of another shape.
TextLine decode_text_line(const Tensor& output, const std::vector<std::string>& alphabet);

// [1, 2]: probabilities of standing upright and upside down. Returns the second. Throws
// std::runtime_error for an output of another shape.
double decode_text_direction(const Tensor& output);

}  // namespace infernode::inference
