// The formats of a line a box: MOT Challenge and plain CSV.
#include <fmt/format.h>

#include "results/exports/exporter.hpp"

namespace infernode {
namespace {

// frame (from 1), id (-1: not tracked), left, top, width, height, confidence, -1, -1, -1
// (https://motchallenge.net/instructions/).
class MotExporter : public Exporter {
public:
  std::string frame(const ExportedFrame& frame) override {
    std::string lines;
    for (const auto& box : frame.boxes) {
      lines +=
          fmt::format("{},{},{},{},{},{},{},-1,-1,-1\n", frame.index + 1, box.track.value_or(-1),
                      box.x, box.y, box.width, box.height, box.confidence);
    }
    return lines;
  }
};

// As RFC 4180 has it.
std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) {
    return text;
  }
  std::string quoted = "\"";
  for (const char letter : text) {
    quoted += letter == '"' ? "\"\"" : std::string{letter};
  }
  return quoted + "\"";
}

class CsvExporter : public Exporter {
public:
  explicit CsvExporter(bool is_dataset) : is_dataset_{is_dataset} {}

  std::string begin() override {
    return std::string{is_dataset_ ? "video_id,video," : ""} +
           "frame,time,label,class_id,confidence,x,y,width,height,track_id,interpolated,text\r\n";
  }
  void begin_result(const ExportFacts& facts) override {
    if (is_dataset_) {
      video_ = csv_field(facts.video_id) + "," + csv_field(facts.video_name) + ",";
    }
  }
  std::string frame(const ExportedFrame& frame) override {
    std::string lines;
    for (const auto& box : frame.boxes) {
      lines +=
          fmt::format("{}{},{},{},{},{},{},{},{},{},{},{},{}\r\n", video_, frame.index, frame.time,
                      csv_field(box.label), box.class_id, box.confidence, box.x, box.y, box.width,
                      box.height, box.track ? fmt::to_string(*box.track) : "",
                      box.interpolated ? 1 : 0, csv_field(box.text));
    }
    return lines;
  }

private:
  bool is_dataset_;
  std::string video_;
};

}  // namespace

std::unique_ptr<Exporter> make_mot_exporter() {
  return std::make_unique<MotExporter>();
}

std::unique_ptr<Exporter> make_csv_exporter() {
  return std::make_unique<CsvExporter>(false);
}

std::unique_ptr<Exporter> make_dataset_csv_exporter() {
  return std::make_unique<CsvExporter>(true);
}

}  // namespace infernode
