#pragma once

#include <string>
#include <vector>

#include "inference/decoders/suppression.hpp"
#include "inference/model.hpp"
#include "inference/onnx_session.hpp"
#include "inference/preprocessing.hpp"

namespace infernode::inference {

// An object found in a frame; the box in pixels of the video, inside the frame.
struct Detection {
  int class_id = 0;
  double confidence = 0;  // 0..1
  double x = 0;
  double y = 0;
  double width = 0;
  double height = 0;
  std::vector<Keypoint> keypoints{};  // in pixels of the video, perhaps outside of it
};

// What a decoder knows beside a model's outputs.
struct DecoderContext {
  const Decoder& options;
  std::size_t label_count;
  std::size_t keypoint_count;
  int input_width;    // pixels
  int input_height;   // pixels
  double confidence;  // what scores less is left out
};

// Decoders: one a file. Each reads a model's outputs, in the order of its manifest, and gives boxes
// in pixels of the model's input, in no order. N boxes, C labels. Each throws std::runtime_error
// for outputs of another shape, in a sentence for whoever wrote the manifest.

// [1, N, 6 + 3 * K], or [N, ...]: x1, y1, x2, y2, score, class, or what `columns` says, then K
// keypoints as in decode_keypoints(). After suppression: CenterNet, YOLOv10 and later ones made
// "end to end".
std::vector<Candidate> decode_top_k_boxes(const std::vector<Tensor>& outputs,
                                          const DecoderContext& context);
// Boxes [1, N, 4], scores [1, N], classes [1, N], perhaps how many of them count [1]. After
// suppression: SSD with TensorFlow's post-processing, torchvision, RT-DETR and D-FINE with theirs.
std::vector<Candidate> decode_labelled_boxes(const std::vector<Tensor>& outputs,
                                             const DecoderContext& context);
// Boxes [1, N, 4] and scores [1, N, C], or C + 1 with a background first, or turned. Before
// suppression: YOLO-NAS, PP-YOLOE, SSD with its boxes decoded.
std::vector<Candidate> decode_scored_boxes(const std::vector<Tensor>& outputs,
                                           const DecoderContext& context);
// YOLOv5, YOLOv7. Decoded, [1, N, 5 + C]: centre, size, objectness, scores. Or the raw heads, a
// level each: [1, A, H, W, 5 + C] or [1, A * (5 + C), H, W]; with t the sigmoid of a value, a
// centre is (2 t - 0.5 + cell) * stride and a size (2 t)^2 * anchor (Jocher et al., YOLOv5,
// models/yolo.py).
std::vector<Candidate> decode_yolo_anchors(const std::vector<Tensor>& outputs,
                                           const DecoderContext& context);
// YOLOv8, v9, v11, v12: [1, 4 + C + 3 * K, N], or turned. Centre, size, scores, and K keypoints of
// x, y, score.
std::vector<Candidate> decode_yolo_anchor_free(const std::vector<Tensor>& outputs,
                                               const DecoderContext& context);
// [1, N, 5 + C], cells of all levels in order: a centre is (value + cell) * stride, a size
// exp(value) * stride (Ge et al., "YOLOX: Exceeding YOLO Series in 2021").
std::vector<Candidate> decode_yolox(const std::vector<Tensor>& outputs,
                                    const DecoderContext& context);
// Boxes [1, N, 4] as offsets y, x, height, width to anchors, and scores [1, N, C], or C + 1 with a
// background (Liu et al., "SSD: Single Shot MultiBox Detector", 2016; see SsdAnchors).
std::vector<Candidate> decode_ssd_heads(const std::vector<Tensor>& outputs,
                                        const DecoderContext& context);
// Scores [1, N, C] (sigmoid: RT-DETR, D-FINE, Deformable DETR) or [1, N, C + 1] with "no object"
// last (softmax: DETR), and boxes [1, N, 4]: centre and size as shares of the input (Carion et al.,
// "End-to-End Object Detection with Transformers", 2020).
std::vector<Candidate> decode_detr(const std::vector<Tensor>& outputs,
                                   const DecoderContext& context);
// [1, N, C + 4 * (reg_max + 1)]: scores, then for each side the distribution of its distance from
// the point, in cells; the distance is its mean (Li et al., "Generalized Focal Loss", 2020).
std::vector<Candidate> decode_nanodet(const std::vector<Tensor>& outputs,
                                      const DecoderContext& context);

// Scores [1, N, C] and boxes [1, N, 4 + 2 * K] of each level, all scores first, or of all levels in
// one: a centre and a size in pixels of the input, the centre and then K keypoints as offsets to
// the middle of a cell, in which `per_cell` anchors lie (Bazarevsky et al., "BlazeFace:
// Sub-millisecond Neural Face Detection on Mobile GPUs", 2019, as MediaPipe publishes it).
std::vector<Candidate> decode_blazeface(const std::vector<Tensor>& outputs,
                                        const DecoderContext& context);

// [1, C], or [1, C + 1] with a background first: scores of what the whole picture shows. Each is a
// candidate whose box is the input.
std::vector<Candidate> decode_class_scores(const std::vector<Tensor>& outputs,
                                           const DecoderContext& context);

// A map of how likely each pixel belongs to text [1, 1, H, W], of the input's size: places of text,
// their four corners as keypoints, clockwise from the upper left. A place is the smallest
// rectangle, turned as need be, around connected pixels of `threshold` or more; its score is their
// mean in it, and it grows on each side by area / circumference * `unclip` (Liao et al., "Real-time
// Scene Text Detection with Differentiable Binarization", 2020, as PaddleOCR does it).
std::vector<Candidate> decode_text_regions(const std::vector<Tensor>& outputs,
                                           const DecoderContext& context);

// [1, N, K, 3] or [1, K, 3]: x, y, score of each keypoint (`box` yxyx: y, x, score). Each of the N
// is of class 0, its score the mean of its keypoints', its box around those that score 0.3 or more.
// MoveNet, which finds one (Google, "Next-Generation Pose Detection with MoveNet", 2021). Or
// [1, N, 3 * K + 5]: behind its keypoints each has its box, in the same order, and its score:
// MoveNet MultiPose.
std::vector<Candidate> decode_keypoints(const std::vector<Tensor>& outputs,
                                        const DecoderContext& context);

// What a model found in a frame: decoded and suppressed as its manifest says, with at least
// `confidence`, of `classes` (all if empty), in pixels of the frame and clipped to it, best first.
// Throws std::runtime_error.
std::vector<Detection> find_boxes(const std::vector<Tensor>& outputs, const Model& model,
                                  const Placement& placement, double confidence,
                                  const std::vector<int>& classes);

}  // namespace infernode::inference
