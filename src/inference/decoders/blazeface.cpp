#include <fmt/format.h>

#include <algorithm>

#include "inference/decoders/boxes.hpp"
#include "inference/decoders/reading.hpp"

namespace infernode::inference {
namespace {

// The middles of the cells that the anchors lie in, in pixels of the input.
std::vector<Keypoint> middles_of_cells(const DecoderContext& context) {
  std::vector<Keypoint> middles;
  for (std::size_t level = 0; level < context.options.strides.size(); ++level) {
    const int stride = context.options.strides[level];
    const int columns = (context.input_width + stride - 1) / stride;
    const int rows = (context.input_height + stride - 1) / stride;
    for (int y = 0; y < rows; ++y) {
      for (int x = 0; x < columns; ++x) {
        middles.insert(
            middles.end(), static_cast<std::size_t>(context.options.per_cell[level]),
            {(x + 0.5) / columns * context.input_width, (y + 0.5) / rows * context.input_height});
      }
    }
  }
  return middles;
}

// The rows of several tensors, one after the other.
std::vector<std::span<const float>> all_rows(std::span<const Tensor> tensors, std::size_t width,
                                             std::size_t count, const std::string& wanted) {
  std::vector<std::span<const float>> all;
  for (const auto& tensor : tensors) {
    const Rows rows = rows_of(tensor, width, wanted);
    for (std::size_t i = 0; i < rows.count; ++i) {
      all.push_back(rows.row(i));
    }
  }
  if (all.size() != count) {
    refuse_shape(tensors.back(), wanted);
  }
  return all;
}

}  // namespace

std::vector<Candidate> decode_blazeface(const std::vector<Tensor>& outputs,
                                        const DecoderContext& context) {
  const auto middles = middles_of_cells(context);
  const std::size_t width = 4 + 2 * context.keypoint_count;
  const std::span<const Tensor> tensors{outputs};
  const auto half = outputs.size() / 2;
  const auto scores =
      all_rows(tensors.first(half), context.label_count, middles.size(),
               fmt::format("scores [1, {}, {}] in all", middles.size(), context.label_count));
  const auto boxes = all_rows(tensors.subspan(half), width, middles.size(),
                              fmt::format("boxes [1, {}, {}] in all", middles.size(), width));
  std::vector<Candidate> candidates;
  for (std::size_t i = 0; i < middles.size(); ++i) {
    const auto best = best_class(scores[i], context.options.scores);
    if (!(best.score >= context.confidence)) {
      continue;
    }
    const auto box = boxes[i];
    auto found = centred_box(best, middles[i].x + box[0], middles[i].y + box[1], box[2], box[3]);
    for (std::size_t at = 4; at < width; at += 2) {
      found.keypoints.push_back({middles[i].x + box[at], middles[i].y + box[at + 1]});
    }
    const bool is_sound = std::all_of(
        found.keypoints.begin(), found.keypoints.end(),
        [](const Keypoint& point) { return std::isfinite(point.x) && std::isfinite(point.y); });
    if (is_sound) {
      add_candidate(candidates, context.confidence, found);
    }
  }
  return candidates;
}

}  // namespace infernode::inference
