#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/words.hpp"

namespace infernode {

enum class ExportFormat { coco, yolo, mot, cvat, labelstudio, csv, webvtt };
template <>
struct Words<ExportFormat> {
  static constexpr std::pair<ExportFormat, std::string_view> all[]{
      {ExportFormat::coco, "coco"},
      {ExportFormat::yolo, "yolo"},
      {ExportFormat::mot, "mot"},
      {ExportFormat::cvat, "cvat"},
      {ExportFormat::labelstudio, "labelstudio"},
      {ExportFormat::csv, "csv"},
      {ExportFormat::webvtt, "webvtt"}};
};

// "application/json"
std::string_view content_type_of(ExportFormat format);
// What a file of it is called after its dot.
std::string_view ending_of(ExportFormat format);

// What an export says of the result as a whole.
struct ExportFacts {
  std::string job_id;
  std::string video_id;
  std::string video_name;  // in a dataset's export
  std::string model;
  int width = 0;   // pixels
  int height = 0;  // pixels
  double fps = 0;
  int frame_count = 0;
  int frame_step = 1;
  std::vector<std::string> labels;  // all that occur, sorted

  // From a result's head.
  static ExportFacts of(const boost::json::object& head);
};

struct ExportedKeypoint {
  std::string name;
  double x = 0;  // pixels
  double y = 0;
  std::optional<double> confidence{};  // 0 to 1, where the model says one
};

// A box of a frame's objects.
struct ExportedBox {
  std::string label;
  int class_id = 0;
  double confidence = 0;
  double x = 0;  // pixels
  double y = 0;
  double width = 0;
  double height = 0;
  std::optional<std::int64_t> track;
  bool interpolated = false;
  std::string text;  // what was read there
  std::vector<ExportedKeypoint> keypoints;
  std::vector<double> polygon;  // x, y, x, y ... in pixels
};

struct ExportedFrame {
  int index = 0;
  double time = 0;  // seconds
  std::vector<ExportedBox> boxes;

  static ExportedFrame of(const boost::json::object& frame);
};

// Writes a result, or those of a dataset's videos one after the other, in a format, piece by piece,
// so that memory does not grow with its length (but for TrackExporter's longest track). Frames are
// given in order; a format that must know something of all of them first asks for them again.
class Exporter {
public:
  virtual ~Exporter() = default;
  // What stands before everything.
  virtual std::string begin() { return {}; }
  // The frames that follow are of this result: in each pass, before its first.
  virtual void begin_result(const ExportFacts& /*facts*/) {}
  virtual std::string frame(const ExportedFrame& frame) = 0;
  struct PassEnd {
    std::string text;
    bool again = false;  // all frames, once more
  };
  virtual PassEnd end_pass() { return {}; }
};

std::unique_ptr<Exporter> make_exporter(ExportFormat format, ExportFacts facts);

// What an export says of a dataset as a whole.
struct DatasetFacts {
  std::string name;
  std::vector<std::string> labels;  // all that occur, sorted
};

// Whether a format can hold several videos: coco, yolo, csv. Of others a dataset is a ZIP
// (ZippedExports).
bool holds_datasets(ExportFormat format);
// Of results that begin_result() names. Throws std::logic_error for a format that cannot.
std::unique_ptr<Exporter> make_dataset_exporter(ExportFormat format, DatasetFacts facts);

// One a file; they are made by make_exporter.
std::unique_ptr<Exporter> make_coco_exporter(ExportFacts facts);
std::unique_ptr<Exporter> make_coco_exporter(DatasetFacts facts);
std::unique_ptr<Exporter> make_yolo_exporter(ExportFacts facts);
std::unique_ptr<Exporter> make_yolo_exporter(DatasetFacts facts);
std::unique_ptr<Exporter> make_mot_exporter();
std::unique_ptr<Exporter> make_cvat_exporter(ExportFacts facts);
std::unique_ptr<Exporter> make_labelstudio_exporter(ExportFacts facts);
std::unique_ptr<Exporter> make_csv_exporter();
std::unique_ptr<Exporter> make_dataset_csv_exporter();
std::unique_ptr<Exporter> make_webvtt_exporter(ExportFacts facts);

}  // namespace infernode
