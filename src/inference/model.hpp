#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/box.hpp"
#include "core/words.hpp"

// What is known of a model: its manifest (api/model.yaml says what each key means) and its file.
namespace infernode::inference {

enum class Layout { nhwc, nchw };
enum class Channels { rgb, bgr };
// How a frame of another shape than the input's is fitted in.
enum class Fit {
  stretch,
  letterbox,           // whole, in the middle
  letterbox_top_left,  // whole, in the corner
  crop,                // its middle, in the input's shape
};

// The runtime could not run the model on this input.
class InferenceFailed : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

// What a model gives is not what its manifest says. what() is for whoever brought the model.
class UnfitModel : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

struct ModelInput {
  std::string name;
  int width = 0;         // pixels; 0 where the size follows the frame's
  int height = 0;        // likewise
  int longest_side = 0;  // pixels, where the size follows the frame's
  int multiple_of = 32;  // both sides then are multiples of it
  Layout layout = Layout::nchw;
  Channels channels = Channels::rgb;
  // A value is (0..255 * scale - mean) / deviation.
  double scale = 1;
  std::array<double, 3> mean{0, 0, 0};
  std::array<double, 3> deviation{1, 1, 1};
  Fit fit = Fit::stretch;
  int fill = 114;
  double crop_share = 1;    // of the shorter side that is looked at
  std::string size_name{};  // a second input: width and height in pixels; empty: there is none
};

// How a model's output is read; see decoders/.
enum class DecoderKind {
  top_k_boxes,
  labelled_boxes,
  scored_boxes,
  yolo_anchors,
  yolo_anchor_free,
  yolox,
  ssd_heads,
  detr,
  nanodet,
  blazeface,
  keypoints,
  class_scores,
  text_regions,
  text_direction,
  text_line,
};

enum class Scores { plain, sigmoid, softmax };
enum class BoxOrder { xyxy, yxyx, cxcywh };
// What a value of a row of top_k_boxes is.
enum class Column { x1, y1, x2, y2, score, class_number, other };

// How the anchors of SSD's heads were made, as TensorFlow's ssd_anchor_generator does.
struct SsdAnchors {
  double min_scale = 0.2;
  double max_scale = 0.95;
  std::vector<double> aspect_ratios{1, 2, 0.5, 3, 0.3333};
  double interpolated_ratio = 1;
  bool reduced_lowest = true;
  bool fixed_size = false;
  double centre_scale = 10;
  double size_scale = 5;
};

struct Decoder {
  DecoderKind kind = DecoderKind::top_k_boxes;
  Scores scores = Scores::plain;
  BoxOrder box = BoxOrder::xyxy;
  std::vector<Column> columns{Column::x1, Column::y1,    Column::x2,
                              Column::y2, Column::score, Column::class_number};
  bool normalised = false;
  int first_class = 0;
  bool background = false;
  std::vector<int> strides{};
  std::vector<std::vector<double>> anchors{};  // width, height, ... in pixels, a list a level
  SsdAnchors ssd{};
  std::vector<int> per_cell{};  // anchors, a number a level
  int reg_max = 7;
  double centre_offset = 0;
  double threshold = 0.3;
  double unclip = 1.5;
};

// What is left of boxes that lie on each other; see suppression.hpp.
enum class SuppressionKind { none, class_aware, class_agnostic, soft, blend };

struct Suppression {
  SuppressionKind kind = SuppressionKind::none;
  double iou = 0.45;
  double sigma = 0.5;
  int most = 300;  // boxes a frame
};

// What a model finds in a picture that comes with it, by which it is known to be sound.
struct GoldenObject {
  std::string label;
  double confidence = 0;
  Box box;             // pixels of the picture
  std::string text{};  // what is read there
};
struct Golden {
  std::string picture;      // a JPEG or PNG, in the manifest's folder
  double confidence = 0.3;  // what is found with less is left out
  std::vector<GoldenObject> objects;
  double confidence_tolerance = 0.02;  // more than processors differ by
  double overlap = 0.9;                // least intersection over union
};

// One model on disk: NAME.onnx and its manifest NAME.json or NAME.yaml.
struct Model {
  std::string name;
  std::string pipeline;     // "detect"
  bool is_default = false;  // what the pipeline takes when no model is named
  std::string description;
  std::string source;
  std::string license;
  ModelInput input;
  std::vector<std::string> outputs;
  Decoder decoder;
  Suppression suppression;
  std::optional<double> confidence;    // of jobs that name none
  std::vector<std::string> labels;     // by class id
  std::vector<std::string> keypoints;  // their names, in the order of the outputs
  std::vector<std::string> alphabet;   // characters in UTF-8, in the order of the outputs
  std::optional<Golden> golden;
  std::string sha256;          // of the ONNX file, lower-case hex; empty where nobody hashed it
  std::filesystem::path file;  // empty where it is not on this machine (yet)
  std::int64_t file_bytes = 0;
  // Of one that was added to the installation: what its file and manifest are known by, so that
  // another one under its name is not taken for it. Empty for those of the folder.
  std::string revision;
};

// What a job needs of a worker, and a worker offers: its name and, if it has one, its revision.
inline std::string versioned_name(const Model& model) {
  return model.revision.empty() ? model.name : model.name + "@" + model.revision;
}

}  // namespace infernode::inference

namespace infernode {

template <>
struct Words<inference::Layout> {
  static constexpr std::pair<inference::Layout, std::string_view> all[]{
      {inference::Layout::nhwc, "nhwc"}, {inference::Layout::nchw, "nchw"}};
};
template <>
struct Words<inference::Channels> {
  static constexpr std::pair<inference::Channels, std::string_view> all[]{
      {inference::Channels::rgb, "rgb"}, {inference::Channels::bgr, "bgr"}};
};
template <>
struct Words<inference::Fit> {
  static constexpr std::pair<inference::Fit, std::string_view> all[]{
      {inference::Fit::stretch, "stretch"},
      {inference::Fit::letterbox, "letterbox"},
      {inference::Fit::letterbox_top_left, "letterbox_top_left"},
      {inference::Fit::crop, "crop"}};
};
template <>
struct Words<inference::DecoderKind> {
  static constexpr std::pair<inference::DecoderKind, std::string_view> all[]{
      {inference::DecoderKind::top_k_boxes, "top_k_boxes"},
      {inference::DecoderKind::labelled_boxes, "labelled_boxes"},
      {inference::DecoderKind::scored_boxes, "scored_boxes"},
      {inference::DecoderKind::yolo_anchors, "yolo_anchors"},
      {inference::DecoderKind::yolo_anchor_free, "yolo_anchor_free"},
      {inference::DecoderKind::yolox, "yolox"},
      {inference::DecoderKind::ssd_heads, "ssd_heads"},
      {inference::DecoderKind::detr, "detr"},
      {inference::DecoderKind::nanodet, "nanodet"},
      {inference::DecoderKind::blazeface, "blazeface"},
      {inference::DecoderKind::keypoints, "keypoints"},
      {inference::DecoderKind::class_scores, "class_scores"},
      {inference::DecoderKind::text_regions, "text_regions"},
      {inference::DecoderKind::text_direction, "text_direction"},
      {inference::DecoderKind::text_line, "text_line"}};
};
template <>
struct Words<inference::Scores> {
  static constexpr std::pair<inference::Scores, std::string_view> all[]{
      {inference::Scores::plain, "plain"},
      {inference::Scores::sigmoid, "sigmoid"},
      {inference::Scores::softmax, "softmax"}};
};
template <>
struct Words<inference::BoxOrder> {
  static constexpr std::pair<inference::BoxOrder, std::string_view> all[]{
      {inference::BoxOrder::xyxy, "xyxy"},
      {inference::BoxOrder::yxyx, "yxyx"},
      {inference::BoxOrder::cxcywh, "cxcywh"}};
};
template <>
struct Words<inference::Column> {
  static constexpr std::pair<inference::Column, std::string_view> all[]{
      {inference::Column::x1, "x1"},       {inference::Column::y1, "y1"},
      {inference::Column::x2, "x2"},       {inference::Column::y2, "y2"},
      {inference::Column::score, "score"}, {inference::Column::class_number, "class"},
      {inference::Column::other, "other"}};
};
template <>
struct Words<inference::SuppressionKind> {
  static constexpr std::pair<inference::SuppressionKind, std::string_view> all[]{
      {inference::SuppressionKind::none, "none"},
      {inference::SuppressionKind::class_aware, "class_aware"},
      {inference::SuppressionKind::class_agnostic, "class_agnostic"},
      {inference::SuppressionKind::soft, "soft"},
      {inference::SuppressionKind::blend, "blend"}};
};

}  // namespace infernode
