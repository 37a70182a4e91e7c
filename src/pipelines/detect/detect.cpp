#include "pipelines/detect/detect.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/json.hpp"
#include "pipelines/detect/detector.hpp"
#include "pipelines/drawing.hpp"
#include "pipelines/frame_images.hpp"
#include "pipelines/frame_task.hpp"
#include "pipelines/tracking_step.hpp"

namespace infernode::detect {
namespace {

namespace json = boost::json;

// The ids of the labels that the params keep.
std::vector<int> class_ids(const json::object& params, const std::vector<std::string>& labels) {
  std::vector<int> ids;
  for (const auto& name : json::value_to<std::vector<std::string>>(params.at("classes"))) {
    const auto found = std::find(labels.begin(), labels.end(), name);
    if (found != labels.end()) {
      ids.push_back(static_cast<int>(found - labels.begin()));
    }
  }
  return ids;
}

// What a frame by itself must bring: tracks also go on with what is less sure.
double wanted_confidence(const json::object& params) {
  const double confidence = json::value_to<double>(params.at("confidence"));
  return is_tracked(params) ? std::min(confidence, kTrackingConfidence) : confidence;
}

json::object frame_object(const media::DecodedFrame& frame,
                          const std::vector<inference::Detection>& detections,
                          const std::vector<std::string>& labels) {
  json::array objects;
  for (const auto& detection : detections) {
    objects.push_back(json::object{
        {"label", labels[static_cast<std::size_t>(detection.class_id)]},
        {"class_id", detection.class_id},
        {"confidence", detection.confidence},
        {"box", json::array{detection.x, detection.y, detection.width, detection.height}}});
  }
  return {{"frame", frame.index},
          {"time", std::round(frame.time * 1e3) / 1e3},
          {"objects", std::move(objects)}};
}

class Painter : public FramePainter {
public:
  explicit Painter(const json::object& params) : style_{drawing_style(params)} {}
  void paint(media::Image& image, const json::object& frame) const override {
    if (style_.hiding == DrawingStyle::Hiding::none) {
      draw_boxes(image, frame.at("objects").as_array(), style_);
    } else {
      hide_boxes(image, frame, "objects", style_.hiding);
    }
    draw_zones(image, frame, style_);
  }

private:
  DrawingStyle style_;
};

class Worker : public FrameWorker {
public:
  Worker(const inference::LoadedModel& model, const json::object& params)
      : detector_{model, wanted_confidence(params), class_ids(params, model.model.labels)},
        common_{common_params(params)},
        in_order_{goes_in_order(params)},
        painter_{params} {}

  FrameResult work(const media::DecodedFrame& frame) override {
    const auto detections = detector_.detect(frame);
    const auto object = frame_object(frame, detections, detector_.labels());
    FrameResult result;
    result.json = json_text(object);
    if (in_order_) {
      return result;  // counted and drawn once it is known what belongs together
    }
    for (const auto& detection : detections) {
      ++result.tally[detector_.labels()[static_cast<std::size_t>(detection.class_id)]];
    }
    if (common_.wants_images) {
      result.jpeg = media::encode_jpeg(
          images_.draw(frame, [&](media::Image& image) { painter_.paint(image, object); }),
          common_.image_quality);
    }
    return result;
  }

private:
  Detector detector_;
  CommonParams common_;
  bool in_order_;
  Painter painter_;
  FrameImages images_;
};

class Task : public FrameTask {
public:
  Task(const inference::LoadedModel& model, json::object params)
      : model_{model}, params_{std::move(params)} {}
  std::unique_ptr<FrameWorker> new_worker() const override {
    return std::make_unique<Worker>(model_, params_);
  }

private:
  const inference::LoadedModel& model_;
  json::object params_;
};

class Detect : public Pipeline {
public:
  Detect() : Pipeline{"detect", "Objects with their boxes", "objects"} {}

  double image_milliseconds(const json::object& /*params*/) const override {
    return 30;  // inference and drawing of one frame of ordinary size
  }

  std::unique_ptr<FrameTask> open(const json::object& params,
                                  const inference::RunnerModels& models) const override {
    return std::make_unique<Task>(models.at(json::value_to<std::string>(params.at("model"))),
                                  params);
  }

  std::unique_ptr<FramePainter> painter(const json::object& params) const override {
    return std::make_unique<Painter>(params);
  }

  json::object summary(const json::object& tally) const override {
    std::int64_t objects = 0;
    for (const auto& [label, count] : tally) {
      objects += json::value_to<std::int64_t>(count);
    }
    return {{"objects", objects}, {"labels", tally}};
  }

protected:
  Result<void> check_resolved(const json::object& params,
                              const inference::Model* model) const override {
    if (model == nullptr) {
      return {};
    }
    const auto& classes = params.at("classes").as_array();
    for (std::size_t i = 0; i < classes.size(); ++i) {
      const std::string label = json::value_to<std::string>(classes[i]);
      if (std::find(model->labels.begin(), model->labels.end(), label) == model->labels.end()) {
        return invalid_param(fmt::format("classes/{}", i), "the model has no such label");
      }
    }
    return {};
  }
};

}  // namespace

std::unique_ptr<Pipeline> make_pipeline() {
  return std::make_unique<Detect>();
}

}  // namespace infernode::detect
