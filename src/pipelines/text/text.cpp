#include "pipelines/text/text.hpp"

#include <algorithm>
#include <cmath>

#include "pipelines/detector.hpp"
#include "pipelines/object_finder.hpp"
#include "pipelines/object_pipeline.hpp"
#include "pipelines/text/line_reader.hpp"

namespace infernode::text {
namespace {

namespace json = boost::json;
using inference::DecoderKind;
using inference::LoadedModel;

// The one that is named; nullptr for "none".
const LoadedModel* named(const json::object& params, const char* key,
                         const inference::RunnerModels& models) {
  const auto name = json::value_to<std::string>(params.at(key));
  return name == "none" ? nullptr : &models.at(name);
}

// What is read of a frame, in pixels of the reader's input: some hundred long lines, some seconds
// of one core. A runner that is silent for a minute is taken for stuck.
constexpr double kMaxReadWidth = 150'000;

double rounded(double value, double steps) {
  return std::round(value * steps) / steps;
}

// The model that was chosen finds where text stands; one for lines takes the whole frame as one, by
// which such models can be tried.
class TextFinder : public ObjectFinder {
public:
  TextFinder(const json::object& params, const inference::RunnerModels& models)
      : chosen_{*named(params, "model", models)},
        reader_{of_kind(DecoderKind::text_direction, named(params, "direction", models)),
                of_kind(DecoderKind::text_line, named(params, "reader", models))},
        reads_{of_kind(DecoderKind::text_line, named(params, "reader", models)) != nullptr},
        least_{wanted_confidence(params)},
        // What is to be hidden is, also where it cannot be read.
        least_text_{anonymizing(params) == "none"
                        ? json::value_to<double>(params.at("text_confidence"))
                        : 0} {
    if (chosen_.model.decoder.kind == DecoderKind::text_regions) {
      places_.emplace(chosen_, least_, std::vector<int>{});
    }
  }

  json::array find(const media::DecodedFrame& frame) override {
    const auto places =
        places_ ? places_->detect(frame) : std::vector<inference::Detection>{whole(frame)};
    json::array objects;
    if (places.empty()) {
      return objects;
    }
    if (!converter_ || image_.width != frame.width || image_.height != frame.height) {
      converter_ = std::make_unique<media::FrameConverter>(frame.width, frame.height);
    }
    converter_->convert(*frame.picture, frame.rotation, image_);
    double width_left = kMaxReadWidth;
    for (const auto& place : places) {
      const auto corners = corners_of(place);
      width_left -= reader_.reading_width(corners);
      const bool is_read = reads_ && width_left >= 0;
      const auto read =
          width_left >= 0 ? reader_.read(image_, corners) : LineReader::unread(corners);
      const double confidence = confidence_of(place, read);
      if (!(confidence >= least_) || (is_read && read.line.confidence < least_text_)) {
        continue;
      }
      json::array polygon;
      for (const auto& corner : read.corners) {
        polygon.push_back(json::array{rounded(corner.x, 100), rounded(corner.y, 100)});
      }
      json::object object{{"label", label_of(read)},
                          {"class_id", 0},
                          {"confidence", confidence},
                          {"box", json::array{place.x, place.y, place.width, place.height}},
                          {"polygon", std::move(polygon)}};
      if (is_read) {
        object.emplace("text", read.line.text);
        object.emplace("text_confidence", rounded(read.line.confidence, 1e4));
      }
      objects.push_back(std::move(object));
    }
    return objects;
  }

private:
  const LoadedModel* of_kind(DecoderKind kind, const LoadedModel* helper) const {
    return chosen_.model.decoder.kind == kind ? &chosen_ : helper;
  }
  static inference::Detection whole(const media::DecodedFrame& frame) {
    const double width = frame.width;
    const double height = frame.height;
    return {0, 1, 0, 0, width, height, {{0, 0}, {width, 0}, {width, height}, {0, height}}};
  }
  // Inside the frame.
  Corners corners_of(const inference::Detection& place) const {
    Corners corners;
    for (std::size_t i = 0; i < corners.size(); ++i) {
      const auto& point = place.keypoints.at(i);
      corners[i] = {static_cast<float>(std::clamp(point.x, 0.0, 1.0 * image_.width)),
                    static_cast<float>(std::clamp(point.y, 0.0, 1.0 * image_.height))};
    }
    return corners;
  }
  // How sure the chosen model is.
  double confidence_of(const inference::Detection& place, const ReadLine& read) const {
    switch (chosen_.model.decoder.kind) {
      case DecoderKind::text_direction:
        return rounded(std::max(read.upside_down, 1 - read.upside_down), 1e4);
      case DecoderKind::text_line:
        return rounded(read.line.confidence, 1e4);
      default:
        return place.confidence;
    }
  }
  std::string label_of(const ReadLine& read) const {
    const auto& labels = chosen_.model.labels;
    return labels.at(read.is_upside_down && labels.size() > 1 ? 1 : 0);
  }

  const LoadedModel& chosen_;
  LineReader reader_;
  bool reads_;
  double least_;
  double least_text_;
  std::optional<Detector> places_;
  std::unique_ptr<media::FrameConverter> converter_;
  media::Image image_;
};

class Text : public ObjectPipeline {
public:
  Text() : ObjectPipeline{"text", "Lines of text with what they say", 250} {}

  std::unique_ptr<ObjectFinder> finder(const json::object& params,
                                       const inference::RunnerModels& models) const override {
    return std::make_unique<TextFinder>(params, models);
  }
};

}  // namespace

std::unique_ptr<Pipeline> make_pipeline() {
  return std::make_unique<Text>();
}

}  // namespace infernode::text
