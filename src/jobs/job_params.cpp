#include "jobs/job_params.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace infernode {
namespace {

namespace json = boost::json;

Error invalid(const std::string& key, const std::string& detail) {
  Error error{ErrorCode::invalid, fmt::format("{}: {}", key, detail)};
  error.fields.push_back(FieldError{"/params/" + key, detail});
  return error;
}

template <class T>
T value_or(const json::object& object, const char* key, T fallback) {
  const auto* value = object.if_contains(key);
  return value == nullptr ? fallback : json::value_to<T>(*value);
}

}  // namespace

const inference::Model* find_model(const std::vector<inference::Model>& models,
                                   const std::string& name) {
  const auto found = std::find_if(models.begin(), models.end(),
                                  [&](const auto& model) { return model.name == name; });
  return found == models.end() ? nullptr : &*found;
}

Result<json::object> resolve_params(const json::object& given, int frame_count,
                                    const std::vector<inference::Model>& models) {
  const auto pipeline = json::value_to<std::string>(given.at("pipeline"));
  const auto first = std::find_if(models.begin(), models.end(),
                                  [&](const auto& model) { return model.pipeline == pipeline; });
  if (first == models.end()) {
    return invalid("pipeline", "this installation has no model for it");
  }
  const auto model_name = value_or<std::string>(given, "model", first->name);
  const auto* model = find_model(models, model_name);
  if (model == nullptr || model->pipeline != pipeline) {
    return invalid("model", "this pipeline has no such model; GET /pipelines lists them");
  }
  const int start_frame = value_or(given, "start_frame", 0);
  const int end_frame = value_or(given, "end_frame", frame_count);
  if (start_frame >= frame_count) {
    return invalid("start_frame", fmt::format("the video has {} frames", frame_count));
  }
  if (end_frame > frame_count) {
    return invalid("end_frame", fmt::format("the video has {} frames", frame_count));
  }
  if (end_frame <= start_frame) {
    return invalid("end_frame", "must lie behind start_frame");
  }
  const auto classes = value_or(given, "classes", std::vector<std::string>{});
  for (std::size_t i = 0; i < classes.size(); ++i) {
    if (std::find(model->labels.begin(), model->labels.end(), classes[i]) == model->labels.end()) {
      return invalid(fmt::format("classes/{}", i), "the model has no such label");
    }
  }
  return json::object{{"pipeline", pipeline},
                      {"model", model_name},
                      {"start_frame", start_frame},
                      {"end_frame", end_frame},
                      {"frame_step", value_or(given, "frame_step", 1)},
                      {"confidence", value_or(given, "confidence", 0.3)},
                      {"classes", json::value_from(classes)},
                      {"images", value_or(given, "images", true)},
                      {"image_quality", value_or(given, "image_quality", 85)},
                      {"device", value_or<std::string>(given, "device", "auto")}};
}

std::vector<int> class_ids(const json::value& params, const inference::Model& model) {
  std::vector<int> ids;
  for (const auto& name : json::value_to<std::vector<std::string>>(params.at("classes"))) {
    const auto found = std::find(model.labels.begin(), model.labels.end(), name);
    if (found != model.labels.end()) {
      ids.push_back(static_cast<int>(found - model.labels.begin()));
    }
  }
  return ids;
}

}  // namespace infernode
