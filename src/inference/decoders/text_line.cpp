#include "inference/decoders/text_line.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "inference/decoders/reading.hpp"

namespace infernode::inference {

TextLine decode_text_line(const Tensor& output, const std::vector<std::string>& alphabet) {
  const std::size_t width = alphabet.size() + 1;
  const Rows steps = rows_of(output, width, fmt::format("[1, T, {}]", width));
  TextLine line;
  double sum = 0;
  std::int64_t count = 0;
  std::size_t before = 0;  // the blank
  for (std::size_t i = 0; i < steps.count; ++i) {
    const auto scores = steps.row(i);
    const auto best = std::max_element(scores.begin(), scores.end());
    const auto character = static_cast<std::size_t>(best - scores.begin());
    if (character != 0 && character != before) {
      line.text += alphabet[character - 1];
      sum += std::clamp<double>(*best, 0, 1);
      ++count;
    }
    before = character;
  }
  line.confidence = count == 0 ? 0 : sum / static_cast<double>(count);
  return line;
}

double decode_text_direction(const Tensor& output) {
  const double upside_down = list_of(output, 2, "[1, 2]")[1];
  return std::isfinite(upside_down) ? std::clamp(upside_down, 0.0, 1.0) : 0;
}

}  // namespace infernode::inference
