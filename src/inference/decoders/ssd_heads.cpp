#include <fmt/format.h>

#include "inference/decoders/boxes.hpp"
#include "inference/decoders/reading.hpp"

namespace infernode::inference {
namespace {

// As shares of the input.
struct Anchor {
  double x;
  double y;
  double width;
  double height;
};

struct AnchorSize {
  double scale;
  double ratio;
};

double scale_of(const SsdAnchors& rules, std::size_t level, std::size_t levels) {
  return levels == 1
             ? (rules.min_scale + rules.max_scale) / 2
             : rules.min_scale + (rules.max_scale - rules.min_scale) * static_cast<double>(level) /
                                     static_cast<double>(levels - 1);
}

std::vector<AnchorSize> sizes_of_level(const SsdAnchors& rules, std::size_t level,
                                       std::size_t levels) {
  const double scale = scale_of(rules, level, levels);
  if (level == 0 && rules.reduced_lowest) {
    return {{0.1, 1}, {scale, 2}, {scale, 0.5}};
  }
  std::vector<AnchorSize> sizes;
  for (const double ratio : rules.aspect_ratios) {
    sizes.push_back({scale, ratio});
  }
  if (rules.interpolated_ratio > 0) {
    const double next = level + 1 == levels ? 1 : scale_of(rules, level + 1, levels);
    sizes.push_back({std::sqrt(scale * next), rules.interpolated_ratio});
  }
  return sizes;
}

std::vector<Anchor> anchors_of(const DecoderContext& context) {
  const auto& rules = context.options.ssd;
  const auto& strides = context.options.strides;
  std::vector<Anchor> anchors;
  for (std::size_t level = 0; level < strides.size(); ++level) {
    const auto sizes = sizes_of_level(rules, level, strides.size());
    const int columns = (context.input_width + strides[level] - 1) / strides[level];
    const int rows = (context.input_height + strides[level] - 1) / strides[level];
    for (int y = 0; y < rows; ++y) {
      for (int x = 0; x < columns; ++x) {
        for (const auto& size : sizes) {
          const double root = std::sqrt(size.ratio);
          anchors.push_back({(x + 0.5) / columns, (y + 0.5) / rows,
                             rules.fixed_size ? 1 : size.scale * root,
                             rules.fixed_size ? 1 : size.scale / root});
        }
      }
    }
  }
  return anchors;
}

}  // namespace

std::vector<Candidate> decode_ssd_heads(const std::vector<Tensor>& outputs,
                                        const DecoderContext& context) {
  const auto& options = context.options;
  const auto anchors = anchors_of(context);
  const std::size_t classes = context.label_count + (options.background ? 1 : 0);
  const std::string wanted_boxes =
      fmt::format("boxes [1, {}, 4] by its strides and anchors", anchors.size());
  const Rows boxes = rows_of(outputs.at(0), 4, wanted_boxes);
  const std::string wanted_scores = fmt::format("scores [1, {}, {}]", anchors.size(), classes);
  const Rows scores = rows_of(outputs.at(1), classes, wanted_scores);
  if (boxes.count != anchors.size()) {
    refuse_shape(outputs[0], wanted_boxes);
  }
  if (scores.count != anchors.size()) {
    refuse_shape(outputs[1], wanted_scores);
  }
  std::vector<Candidate> candidates;
  for (std::size_t i = 0; i < anchors.size(); ++i) {
    const auto best = best_class(scores.row(i), options.scores, options.background);
    if (!(best.score >= context.confidence)) {
      continue;
    }
    const auto& anchor = anchors[i];
    const auto box = boxes.row(i);
    const double x = box[1] / options.ssd.centre_scale * anchor.width + anchor.x;
    const double y = box[0] / options.ssd.centre_scale * anchor.height + anchor.y;
    const double width = std::exp(box[3] / options.ssd.size_scale) * anchor.width;
    const double height = std::exp(box[2] / options.ssd.size_scale) * anchor.height;
    add_candidate(candidates, context.confidence,
                  centred_box(best, x, y, width, height,
                              {1.0 * context.input_width, 1.0 * context.input_height}));
  }
  return candidates;
}

}  // namespace infernode::inference
