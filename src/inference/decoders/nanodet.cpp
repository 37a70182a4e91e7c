#include <fmt/format.h>

#include <algorithm>

#include "inference/decoders/boxes.hpp"
#include "inference/decoders/reading.hpp"

namespace infernode::inference {
namespace {

// The mean of the distribution that these logits give over 0, 1, 2 ...
double expected_distance(std::span<const float> logits) {
  const double highest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  double weighted = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const double weight = std::exp(logits[i] - highest);
    sum += weight;
    weighted += weight * static_cast<double>(i);
  }
  return weighted / sum;
}

}  // namespace

std::vector<Candidate> decode_nanodet(const std::vector<Tensor>& outputs,
                                      const DecoderContext& context) {
  const auto& options = context.options;
  const auto bins = static_cast<std::size_t>(options.reg_max) + 1;
  const std::size_t width = context.label_count + 4 * bins;
  const Rows rows = rows_of(outputs.at(0), width, fmt::format("[1, N, {}]", width));
  const auto cells = [](int pixels, int stride) { return (pixels + stride - 1) / stride; };
  std::size_t points = 0;
  for (const int stride : options.strides) {
    points += static_cast<std::size_t>(cells(context.input_width, stride)) *
              static_cast<std::size_t>(cells(context.input_height, stride));
  }
  if (points != rows.count) {
    refuse_shape(outputs[0], fmt::format("[1, {}, {}] by its strides", points, width));
  }
  std::vector<Candidate> candidates;
  std::size_t index = 0;
  for (const int stride : options.strides) {
    for (int y = 0; y < cells(context.input_height, stride); ++y) {
      for (int x = 0; x < cells(context.input_width, stride); ++x) {
        const auto row = rows.row(index++);
        const auto best = best_class(row.first(context.label_count), options.scores);
        if (!(best.score >= context.confidence)) {
          continue;
        }
        const auto distance = [&](std::size_t side) {
          return expected_distance(row.subspan(context.label_count + side * bins, bins)) * stride;
        };
        const double point_x = (x + options.centre_offset) * stride;
        const double point_y = (y + options.centre_offset) * stride;
        add_candidate(candidates, context.confidence,
                      {best.class_id, best.score, point_x - distance(0), point_y - distance(1),
                       point_x + distance(2), point_y + distance(3)});
      }
    }
  }
  return candidates;
}

}  // namespace infernode::inference
