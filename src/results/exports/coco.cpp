#include <fmt/format.h>

#include <map>
#include <stdexcept>

#include "core/json.hpp"
#include "results/exports/exporter.hpp"

namespace infernode {
namespace {

namespace json = boost::json;

constexpr std::size_t kMostCategories = 10000;  // labels of a manifest

// COCO's object detection format (https://cocodataset.org/#format-data), with `score` and
// `track_id` as its tools write and ignore them. Two passes: images, then annotations. Ids begin at
// 1; a category's is that of the model's class and one.
class CocoExporter : public Exporter {
public:
  explicit CocoExporter(ExportFacts facts) : facts_{std::move(facts)} {}

  std::string begin() override {
    const json::object info{{"description", "InferNode job " + facts_.job_id}, {"version", "1.0"}};
    return "{\"info\":" + json_text(info) + ",\"licenses\":[],\"images\":[";
  }

  std::string frame(const ExportedFrame& frame) override {
    return annotating_ ? annotations_of(frame) : image_of(frame);
  }

  PassEnd end_pass() override {
    empty_ = true;
    if (!annotating_) {
      annotating_ = true;
      return {"],\"annotations\":[", true};
    }
    json::array categories;
    for (const auto& [class_id, label] : categories_) {
      categories.push_back(
          json::object{{"id", class_id + 1}, {"name", label}, {"supercategory", ""}});
    }
    return {"],\"categories\":" + json_text(categories) + "}\n", false};
  }

private:
  std::string next_item(const json::object& item) {
    const std::string comma = std::exchange(empty_, false) ? "" : ",";
    return comma + "\n" + json_text(item);
  }

  std::string image_of(const ExportedFrame& frame) {
    for (const auto& box : frame.boxes) {
      categories_.emplace(box.class_id, box.label);
      if (categories_.size() > kMostCategories) {
        throw std::runtime_error("stored frames have more classes than a model can have");
      }
    }
    return next_item({{"id", frame.index + 1},
                      {"file_name", fmt::format("{:06}.jpg", frame.index)},
                      {"width", facts_.width},
                      {"height", facts_.height},
                      {"frame", frame.index},
                      {"time", frame.time}});
  }

  std::string annotations_of(const ExportedFrame& frame) {
    std::string text;
    for (const auto& box : frame.boxes) {
      json::object annotation{{"id", ++annotations_},
                              {"image_id", frame.index + 1},
                              {"category_id", box.class_id + 1},
                              {"bbox", json::array{box.x, box.y, box.width, box.height}},
                              {"area", box.width * box.height},
                              {"iscrowd", 0},
                              {"score", box.confidence}};
      if (box.track) {
        annotation.emplace("track_id", *box.track);
      }
      text += next_item(annotation);
    }
    return text;
  }

  ExportFacts facts_;
  bool annotating_ = false;
  bool empty_ = true;
  std::int64_t annotations_ = 0;
  std::map<int, std::string> categories_;
};

}  // namespace

std::unique_ptr<Exporter> make_coco_exporter(ExportFacts facts) {
  return std::make_unique<CocoExporter>(std::move(facts));
}

}  // namespace infernode
