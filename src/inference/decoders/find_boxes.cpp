#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "inference/decoders/boxes.hpp"

namespace infernode::inference {
namespace {

constexpr double kScoreSlack = 0.01;  // what rounding in half precision may add

double rounded(double value, double steps) {
  return std::round(value * steps) / steps;
}

std::vector<Candidate> decode(const std::vector<Tensor>& outputs, const DecoderContext& context) {
  switch (context.options.kind) {
    case DecoderKind::top_k_boxes:
      return decode_top_k_boxes(outputs, context);
    case DecoderKind::labelled_boxes:
      return decode_labelled_boxes(outputs, context);
    case DecoderKind::scored_boxes:
      return decode_scored_boxes(outputs, context);
    case DecoderKind::yolo_anchors:
      return decode_yolo_anchors(outputs, context);
    case DecoderKind::yolo_anchor_free:
      return decode_yolo_anchor_free(outputs, context);
    case DecoderKind::yolox:
      return decode_yolox(outputs, context);
    case DecoderKind::ssd_heads:
      return decode_ssd_heads(outputs, context);
    case DecoderKind::detr:
      return decode_detr(outputs, context);
    case DecoderKind::nanodet:
      return decode_nanodet(outputs, context);
    case DecoderKind::blazeface:
      return decode_blazeface(outputs, context);
    case DecoderKind::keypoints:
      return decode_keypoints(outputs, context);
    case DecoderKind::class_scores:
      return decode_class_scores(outputs, context);
    case DecoderKind::text_regions:
      return decode_text_regions(outputs, context);
    case DecoderKind::text_direction:
    case DecoderKind::text_line:
      break;  // of a line, in which there are no boxes to find
  }
  return {};
}

}  // namespace

std::vector<Detection> find_boxes(const std::vector<Tensor>& outputs, const Model& model,
                                  const Placement& placement, double confidence,
                                  const std::vector<int>& classes) {
  const DecoderContext context{model.decoder,          model.labels.size(),
                               model.keypoints.size(), placement.input_width,
                               placement.input_height, confidence};
  // The classes last: what is asked for is a part of what would be found without asking.
  const auto boxes = suppress(decode(outputs, context), model.suppression, confidence);
  std::vector<Detection> detections;
  for (const auto& box : boxes) {
    if (box.score > 1 + kScoreSlack) {
      throw UnfitModel(
          fmt::format("the model gives the score {:g}, and a probability has 1 at most: if these "
                      "are logits, say so "
                      "in the manifest (scores: sigmoid or softmax)",
                      box.score));
    }
    if (!classes.empty() &&
        std::find(classes.begin(), classes.end(), box.class_id) == classes.end()) {
      continue;
    }
    const auto x_in_frame = [&](double x) {
      return std::clamp(placement.frame_x(x), 0.0, 1.0 * placement.frame_width);
    };
    const auto y_in_frame = [&](double y) {
      return std::clamp(placement.frame_y(y), 0.0, 1.0 * placement.frame_height);
    };
    const double left = x_in_frame(box.left);
    const double top = y_in_frame(box.top);
    const double right = x_in_frame(box.right);
    const double bottom = y_in_frame(box.bottom);
    if (!(right > left) || !(bottom > top)) {
      continue;
    }
    std::vector<Keypoint> keypoints;
    for (const auto& point : box.keypoints) {
      keypoints.push_back(
          {rounded(placement.frame_x(point.x), 100), rounded(placement.frame_y(point.y), 100),
           point.confidence ? std::optional{rounded(*point.confidence, 1e4)} : std::nullopt});
    }
    // Hundredths of a pixel and ten-thousandths of confidence: more digits would be noise.
    detections.push_back(Detection{
        box.class_id, rounded(std::min(box.score, 1.0), 1e4), rounded(left, 100), rounded(top, 100),
        rounded(right - left, 100), rounded(bottom - top, 100), std::move(keypoints)});
  }
  std::stable_sort(
      detections.begin(), detections.end(),
      [](const Detection& a, const Detection& b) { return a.confidence > b.confidence; });
  return detections;
}

}  // namespace infernode::inference
