#include "results/exports/exporter.hpp"

#include <algorithm>
#include <stdexcept>

#include "pipelines/pipeline.hpp"

namespace infernode {
namespace {

namespace json = boost::json;

template <class Number>
Number number_at(const json::value& value) {
  return value.to_number<Number>();
}

}  // namespace

std::string_view content_type_of(ExportFormat format) {
  switch (format) {
    case ExportFormat::coco:
    case ExportFormat::labelstudio:
      return "application/json";
    case ExportFormat::yolo:
      return "application/zip";
    case ExportFormat::mot:
    case ExportFormat::csv:
      return "text/csv; charset=utf-8";
    case ExportFormat::cvat:
      return "application/xml";
    case ExportFormat::webvtt:
      return "text/vtt; charset=utf-8";
  }
  throw std::logic_error("no such format");
}

std::string_view ending_of(ExportFormat format) {
  switch (format) {
    case ExportFormat::coco:
      return "coco.json";
    case ExportFormat::yolo:
      return "yolo.zip";
    case ExportFormat::mot:
      return "mot.csv";
    case ExportFormat::cvat:
      return "cvat.xml";
    case ExportFormat::labelstudio:
      return "labelstudio.json";
    case ExportFormat::csv:
      return "csv";
    case ExportFormat::webvtt:
      return "vtt";
  }
  throw std::logic_error("no such format");
}

ExportFacts ExportFacts::of(const json::object& head) {
  ExportFacts facts;
  facts.job_id = json::value_to<std::string>(head.at("job_id"));
  facts.video_id = json::value_to<std::string>(head.at("video_id"));
  if (const auto& model = head.at("model"); model.is_string()) {
    facts.model = json::value_to<std::string>(model);
  }
  const auto& video = head.at("video");
  facts.width = number_at<int>(video.at("width"));
  facts.height = number_at<int>(video.at("height"));
  facts.fps = number_at<double>(video.at("fps"));
  facts.frame_count = number_at<int>(video.at("frame_count"));
  facts.frame_step = common_params(head.at("params").as_object()).frame_step;
  if (const auto* labels = head.at("summary").as_object().if_contains("labels")) {
    for (const auto& [label, count] : labels->as_object()) {
      facts.labels.emplace_back(label);
    }
  }
  std::sort(facts.labels.begin(), facts.labels.end());
  return facts;
}

ExportedFrame ExportedFrame::of(const json::object& frame) {
  ExportedFrame exported;
  exported.index = number_at<int>(frame.at("frame"));
  exported.time = number_at<double>(frame.at("time"));
  for (const auto& value : frame.at("objects").as_array()) {
    const auto& object = value.as_object();
    ExportedBox box;
    box.label = json::value_to<std::string>(object.at("label"));
    box.class_id = number_at<int>(object.at("class_id"));
    box.confidence = number_at<double>(object.at("confidence"));
    const auto& sides = object.at("box").as_array();
    box.x = number_at<double>(sides.at(0));
    box.y = number_at<double>(sides.at(1));
    box.width = number_at<double>(sides.at(2));
    box.height = number_at<double>(sides.at(3));
    if (const auto* id = object.if_contains("track_id")) {
      box.track = id->as_int64();
    }
    if (const auto* text = object.if_contains("text")) {
      box.text = json::value_to<std::string>(*text);
    }
    if (const auto* points = object.if_contains("keypoints")) {
      for (const auto& [name, place] : points->as_object()) {
        const auto& values = place.as_array();
        box.keypoints.push_back(
            {name, number_at<double>(values.at(0)), number_at<double>(values.at(1)),
             values.size() > 2 ? std::optional{number_at<double>(values.at(2))} : std::nullopt});
      }
    }
    if (const auto* corners = object.if_contains("polygon")) {
      for (const auto& corner : corners->as_array()) {
        box.polygon.push_back(number_at<double>(corner.as_array().at(0)));
        box.polygon.push_back(number_at<double>(corner.as_array().at(1)));
      }
    }
    box.interpolated = object.contains("interpolated");
    exported.boxes.push_back(std::move(box));
  }
  return exported;
}

bool holds_datasets(ExportFormat format) {
  return format == ExportFormat::coco || format == ExportFormat::yolo ||
         format == ExportFormat::csv;
}

std::unique_ptr<Exporter> make_dataset_exporter(ExportFormat format, DatasetFacts facts) {
  switch (format) {
    case ExportFormat::coco:
      return make_coco_exporter(std::move(facts));
    case ExportFormat::yolo:
      return make_yolo_exporter(std::move(facts));
    case ExportFormat::csv:
      return make_dataset_csv_exporter();
    default:
      throw std::logic_error("a format of one video");
  }
}

std::unique_ptr<Exporter> make_exporter(ExportFormat format, ExportFacts facts) {
  switch (format) {
    case ExportFormat::coco:
      return make_coco_exporter(std::move(facts));
    case ExportFormat::yolo:
      return make_yolo_exporter(std::move(facts));
    case ExportFormat::mot:
      return make_mot_exporter();
    case ExportFormat::cvat:
      return make_cvat_exporter(std::move(facts));
    case ExportFormat::labelstudio:
      return make_labelstudio_exporter(std::move(facts));
    case ExportFormat::csv:
      return make_csv_exporter();
    case ExportFormat::webvtt:
      return make_webvtt_exporter(std::move(facts));
  }
  throw std::logic_error("no such format");
}

}  // namespace infernode
