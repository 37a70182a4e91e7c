#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <stdexcept>

#include "core/json.hpp"
#include "results/exports/exporter.hpp"

namespace infernode {
namespace {

namespace json = boost::json;

constexpr std::size_t kMostCategories = 10000;  // labels of a manifest
constexpr std::size_t kMostKeypoints = 1000;    // of a category
// A keypoint below counts as not labelled (v = 0), as it is not drawn.
constexpr double kLeastKeypointConfidence = 0.3;

// COCO's object and keypoint detection format (https://cocodataset.org/#format-data), with `score`
// and `track_id` as its tools write and ignore them. Polygons are `segmentation`, keypoints are in
// the order of their category's names, `v` 2 where there is one and 0 where not. Two passes:
// images, then annotations. Ids begin at
// 1. A category's is that of the model's class and one; in a dataset, whose videos may have been
// worked on by several models, it is the label's place among all, and an image's id is its frame's
// behind those of the videos before.
class CocoExporter : public Exporter {
public:
  explicit CocoExporter(ExportFacts facts)
      : description_{"InferNode job " + facts.job_id}, facts_{std::move(facts)} {}
  explicit CocoExporter(DatasetFacts dataset)
      : description_{"InferNode dataset " + dataset.name}, labels_{std::move(dataset.labels)} {}

  std::string begin() override {
    const json::object info{{"description", description_}, {"version", "1.0"}};
    return "{\"info\":" + json_text(info) + ",\"licenses\":[],\"images\":[";
  }

  void begin_result(const ExportFacts& facts) override {
    if (labels_) {
      first_id_ = next_first_id_;
      next_first_id_ += facts.frame_count;
      facts_ = facts;
    }
  }

  std::string frame(const ExportedFrame& frame) override {
    return annotating_ ? annotations_of(frame) : image_of(frame);
  }

  PassEnd end_pass() override {
    empty_ = true;
    if (!annotating_) {
      annotating_ = true;
      next_first_id_ = 1;
      return {"],\"annotations\":[", true};
    }
    json::array categories;
    for (const auto& [id, label] : categories_) {
      json::object category{{"id", id}, {"name", label}, {"supercategory", ""}};
      const auto points = keypoints_.find(id);
      if (points != keypoints_.end()) {
        category.emplace("keypoints", json::value_from(points->second));
        category.emplace("skeleton", json::array{});
      }
      categories.push_back(std::move(category));
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
      categories_.emplace(category_of(box), box.label);
      if (!labels_ && categories_.size() > kMostCategories) {
        throw std::runtime_error("stored frames have more classes than a model can have");
      }
      learn_keypoints(box);
    }
    const auto file = fmt::format("{:06}.jpg", frame.index);
    json::object image{{"id", first_id_ + frame.index},
                       {"file_name", labels_ ? facts_.video_id + "/" + file : file},
                       {"width", facts_.width},
                       {"height", facts_.height},
                       {"frame", frame.index},
                       {"time", frame.time}};
    if (labels_) {
      image.emplace("video_id", facts_.video_id);
      image.emplace("video", facts_.video_name);
    }
    return next_item(image);
  }

  void learn_keypoints(const ExportedBox& box) {
    if (box.keypoints.empty()) {
      return;
    }
    auto& names = keypoints_[category_of(box)];
    for (const auto& point : box.keypoints) {
      if (std::find(names.begin(), names.end(), point.name) == names.end()) {
        names.push_back(point.name);
      }
    }
    if (names.size() > kMostKeypoints) {
      throw std::runtime_error("stored frames have more keypoints than a model can have");
    }
  }

  // Where the object has some.
  void add_keypoints(const ExportedBox& box, json::object& annotation) const {
    if (box.keypoints.empty()) {
      return;
    }
    json::array places;
    int labelled = 0;
    for (const auto& name : keypoints_.at(category_of(box))) {
      const auto point = std::find_if(box.keypoints.begin(), box.keypoints.end(),
                                      [&](const auto& each) { return each.name == name; });
      const bool there =
          point != box.keypoints.end() && point->confidence.value_or(1) >= kLeastKeypointConfidence;
      labelled += there ? 1 : 0;
      places.insert(places.end(), {there ? point->x : 0, there ? point->y : 0, there ? 2 : 0});
    }
    annotation.emplace("keypoints", std::move(places));
    annotation.emplace("num_keypoints", labelled);
  }

  std::int64_t category_of(const ExportedBox& box) const {
    if (!labels_) {
      return std::int64_t{box.class_id} + 1;
    }
    return std::lower_bound(labels_->begin(), labels_->end(), box.label) - labels_->begin() + 1;
  }

  std::string annotations_of(const ExportedFrame& frame) {
    std::string text;
    for (const auto& box : frame.boxes) {
      json::object annotation{{"id", ++annotations_},
                              {"image_id", first_id_ + frame.index},
                              {"category_id", category_of(box)},
                              {"bbox", json::array{box.x, box.y, box.width, box.height}},
                              {"area", box.width * box.height},
                              {"iscrowd", 0},
                              {"score", box.confidence}};
      if (!box.polygon.empty()) {
        annotation.emplace("segmentation", json::array{json::value_from(box.polygon)});
      }
      add_keypoints(box, annotation);
      if (box.track) {
        annotation.emplace("track_id", *box.track);
      }
      text += next_item(annotation);
    }
    return text;
  }

  std::string description_;
  std::optional<std::vector<std::string>> labels_{};  // of a dataset
  ExportFacts facts_{};
  std::int64_t first_id_ = 1;  // of the video's first frame
  std::int64_t next_first_id_ = 1;
  bool annotating_ = false;
  bool empty_ = true;
  std::int64_t annotations_ = 0;
  std::map<std::int64_t, std::string> categories_;
  std::map<std::int64_t, std::vector<std::string>> keypoints_;  // names, by category
};

}  // namespace

std::unique_ptr<Exporter> make_coco_exporter(ExportFacts facts) {
  return std::make_unique<CocoExporter>(std::move(facts));
}

std::unique_ptr<Exporter> make_coco_exporter(DatasetFacts facts) {
  return std::make_unique<CocoExporter>(std::move(facts));
}

}  // namespace infernode
