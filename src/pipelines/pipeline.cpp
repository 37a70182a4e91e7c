#include "pipelines/pipeline.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/words.hpp"
#include "core/yaml.hpp"
#include "pipelines/anonymize_step.hpp"
#include "pipelines/redraw_step.hpp"
#include "pipelines/tracking_step.hpp"
#include "pipelines/zones_step.hpp"

namespace infernode {
namespace {

namespace json = boost::json;

template <class T>
T value_or(const json::object& object, const char* key, T fallback) {
  const auto* value = object.if_contains(key);
  return value == nullptr ? fallback : json::value_to<T>(*value);
}

bool has_property(const json::value& schema, const char* key) {
  return schema.at("properties").as_object().contains(key);
}

// The decoder that a model must have which this key of the schema names beside `model`; nullopt for
// other keys. The value "none" stands for no model.
std::optional<inference::DecoderKind> helper_kind(const json::value& rules) {
  const auto* kind = rules.as_object().if_contains("x-model");
  return kind == nullptr ? std::nullopt
                         : from_text<inference::DecoderKind>(std::string_view{kind->as_string()});
}

constexpr const char* kNoModel = "none";

// Fills in the models that the given params do not name, where there is one, and checks those that
// they do.
Result<json::object> with_helpers(const json::value& schema, json::object given,
                                  std::string_view pipeline,
                                  const inference::ModelCatalogue& models) {
  for (const auto& [key, rules] : schema.at("properties").as_object()) {
    const auto kind = helper_kind(rules);
    if (!kind) {
      continue;
    }
    if (const auto* named = given.if_contains(key)) {
      const std::string_view name{named->as_string()};
      const auto* model = models.find(name);
      if (name != kNoModel &&
          (model == nullptr || model->pipeline != pipeline || model->decoder.kind != *kind)) {
        return invalid_param(key, "there is no such model for this; GET /models lists them");
      }
      continue;
    }
    const auto usual = models.usual_with(pipeline, *kind);
    if (usual.size() > 1) {
      return invalid_param(key, fmt::format("there are several: {}; name one of them, or {}",
                                            fmt::join(usual, ", "), kNoModel));
    }
    given.emplace(key, usual.empty() ? kNoModel : usual.front());
  }
  return given;
}

// Every key of the schema, given or with its default, in the schema's order. A model, its
// confidence and an end are filled in by what is known.
json::object with_defaults(const json::value& schema, const json::object& given,
                           const inference::Model* model, int frame_count) {
  json::object params;
  for (const auto& [key, rules] : schema.at("properties").as_object()) {
    if (const auto* value = given.if_contains(key)) {
      params.emplace(key, *value);
    } else if (key == "confidence" && model != nullptr && model->confidence) {
      params.emplace(key, *model->confidence);
    } else if (const auto* fallback = rules.as_object().if_contains("default")) {
      params.emplace(key, *fallback);
    } else if (key == "model") {
      params.emplace(key, model == nullptr ? "" : model->name);
    } else if (key == "end_frame") {
      params.emplace(key, frame_count);
    }
  }
  return params;
}

// What no schema can say of going through frames in order.
Result<void> check_order(const json::object& params, const VideoFacts& video) {
  if (common_params(params).wants_sound && !common_params(params).wants_video) {
    return invalid_param("sound", "needs \"video\": it is kept in the annotated video");
  }
  if (anonymizing(params) != "none" && common_params(params).wants_crops) {
    return invalid_param("crops", "would show what \"anonymize\" hides");
  }
  if (anonymizing(params) != "none" && common_params(params).wants_video &&
      common_params(params).frame_step != 1) {
    return invalid_param("anonymize",
                         "with \"video\" it needs \"frame_step\" 1: what moves between two frames "
                         "would not be followed closely enough");
  }
  return check_zones(params, video.width, video.height);
}

// Whether all that is wanted was kept by a job with the params `before`.
Result<void> check_kept(const json::object& before, const json::object& wanted) {
  const double then = value_or(before, "confidence", 0.0);
  if (value_or(wanted, "confidence", 0.0) < then) {
    return invalid_param("confidence",
                         fmt::format("the job kept what has at least {:g}; with less it takes "
                                     "inference, that is a new job",
                                     then));
  }
  const auto labels = value_or(before, "classes", std::vector<std::string>{});
  const auto classes = value_or(wanted, "classes", std::vector<std::string>{});
  const bool kept = std::all_of(classes.begin(), classes.end(), [&](const std::string& label) {
    return std::find(labels.begin(), labels.end(), label) != labels.end();
  });
  if (!labels.empty() && (classes.empty() || !kept)) {
    return invalid_param("classes", fmt::format("the job kept {} alone; with more it takes "
                                                "inference, that is a new job",
                                                fmt::join(labels, ", ")));
  }
  return {};
}

Result<void> check_frames(const CommonParams& params, int frame_count) {
  const std::string count = fmt::format("the video has {} frames", frame_count);
  if (params.start_frame >= frame_count) {
    return invalid_param("start_frame", count);
  }
  if (params.end_frame > frame_count) {
    return invalid_param("end_frame", count);
  }
  if (params.end_frame <= params.start_frame) {
    return invalid_param("end_frame", "must lie behind start_frame");
  }
  return {};
}

}  // namespace

Error invalid_param(const std::string& key, const std::string& detail) {
  Error error{ErrorCode::invalid, fmt::format("{}: {}", key, detail)};
  error.fields.push_back(FieldError{"/params/" + key, detail});
  return error;
}

CommonParams common_params(const json::object& params) {
  CommonParams common;
  common.start_frame = value_or(params, "start_frame", common.start_frame);
  common.end_frame = value_or(params, "end_frame", common.end_frame);
  common.frame_step = value_or(params, "frame_step", common.frame_step);
  common.wants_images = value_or(params, "images", common.wants_images);
  common.wants_crops = value_or(params, "crops", common.wants_crops);
  common.wants_video = value_or(params, "video", common.wants_video);
  common.wants_sound = value_or(params, "sound", common.wants_sound);
  common.image_quality = value_or(params, "image_quality", common.image_quality);
  common.device = value_or(params, "device", common.device);
  common.max_failed = value_or(params, "max_failed", common.max_failed);
  return common;
}

std::string anonymizing(const json::object& params) {
  return value_or(params, "anonymize", std::string{"none"});
}

bool is_tracked(const json::object& params) {
  return value_or(params, "track", false) || anonymizing(params) != "none";
}

namespace {

// Zones, colours: whether there are any.
template <class Container>
bool has_any(const json::object& params, const char* key) {
  return !value_or(params, key, Container{}).empty();
}

// Beyond tracking.
bool needs_order(const json::object& params) {
  return anonymizing(params) != "none" || has_any<json::array>(params, "zones") ||
         common_params(params).wants_video;
}

}  // namespace

bool goes_in_order(const json::object& params) {
  return needs_order(params) || (is_tracked(params) && !drawn_job(params));
}

int params_revision(const json::object& params) {
  if (common_params(params).wants_sound || common_params(params).wants_crops) {
    return 3;
  }
  const bool is_new =
      drawn_job(params) || needs_order(params) || has_any<json::object>(params, "colours");
  return is_new ? 2 : 1;
}

// What a job that draws again says of the job that it draws: `job_id`, and `confidence` where more
// was asked for than was then, by it or by a job that it draws.
constexpr const char* kRedraw = "redraw";

std::optional<JobId> drawn_job(const json::object& params) {
  const auto* redraw = params.if_contains(kRedraw);
  return redraw == nullptr ? std::nullopt
                           : JobId::parse(json::value_to<std::string>(redraw->at("job_id")));
}

Pipeline::Pipeline(std::string name, std::string description, std::string list)
    : name_{std::move(name)},
      description_{std::move(description)},
      list_{std::move(list)},
      schema_{parse_embedded_yaml("api/pipelines/" + name_ + ".yaml")} {}

Result<void> Pipeline::check(const json::object& given) const {
  auto errors = schema_.check(given);
  if (errors.empty()) {
    return {};
  }
  for (auto& error : errors) {
    error.pointer = "/params" + error.pointer;
  }
  Error error{ErrorCode::invalid, "The params do not fit: " + joined_details(errors)};
  error.fields = std::move(errors);
  return error;
}

Result<json::object> Pipeline::resolve(const json::object& given, const VideoFacts& video,
                                       const inference::ModelCatalogue& models) const {
  const inference::Model* model = nullptr;
  if (has_property(params_schema(), "model")) {
    const auto* wanted = given.if_contains("model");
    model = wanted == nullptr ? models.default_of(name_)
                              : models.find(std::string_view{wanted->as_string()});
    if (wanted == nullptr && model == nullptr) {
      return invalid_param("pipeline",
                           "this installation has no model for it, or several of which "
                           "none is the default; name one as 'model'");
    }
    if (model == nullptr || model->pipeline != name_) {
      return invalid_param("model", "this pipeline has no such model; GET /pipelines lists them");
    }
  }
  const auto helped = with_helpers(params_schema(), given, name_, models);
  if (!helped) {
    return helped.error();
  }
  auto params = with_defaults(params_schema(), *helped, model, video.frame_count);
  const auto frames = check_frames(common_params(params), video.frame_count);
  if (!frames) {
    return frames.error();
  }
  const auto order = check_order(params, video);
  if (!order) {
    return order.error();
  }
  const auto own = check_resolved(params, model);
  if (!own) {
    return own.error();
  }
  return params;
}

Result<json::object> Pipeline::resolve_again(JobId drawn, json::object before,
                                             const json::object& changes, const VideoFacts& video,
                                             const inference::ModelCatalogue& models) const {
  const bool was_tracked = is_tracked(before);
  json::object redraw{{"job_id", drawn.to_string()}};
  if (const auto* earlier = before.if_contains(kRedraw)) {
    if (const auto* confidence = earlier->as_object().if_contains("confidence")) {
      redraw.emplace("confidence", *confidence);
    }
  }
  before.erase(kRedraw);
  if (was_tracked) {
    before.insert_or_assign("track", true);  // also where that was for hiding what is found
  }
  const json::object kept = before;
  for (const auto& [key, value] : changes) {
    const auto* rules = params_schema().at("properties").as_object().if_contains(key);
    if (rules == nullptr || !rules->as_object().contains("x-drawing")) {
      return invalid_param(key, "is not known here, or needs inference");
    }
    before.insert_or_assign(key, value);
  }
  const auto fits = check(before);
  if (!fits) {
    return fits.error();
  }
  const auto less = check_kept(kept, before);
  if (!less) {
    return less.error();
  }
  if (value_or(before, "confidence", 0.0) > value_or(kept, "confidence", 0.0)) {
    redraw.insert_or_assign("confidence", before.at("confidence"));
  }
  const auto* name = before.if_contains("model");
  const auto* model = name == nullptr ? nullptr : models.find(json::value_to<std::string>(*name));
  // Keys that came with a later version than that job have their defaults.
  auto params = with_defaults(params_schema(), before, model, 0);
  const auto order = check_order(params, changes.contains("zones") ? video : VideoFacts{});
  if (!order) {
    return order.error();
  }
  if (anonymizing(params) != "none" && !was_tracked) {
    return invalid_param("anonymize",
                         "needs a job that was tracked; run one with it, or with \"track\"");
  }
  // Single boxes of a track are left out by that, and who was followed through them would show.
  if (anonymizing(params) != "none" && redraw.contains("confidence")) {
    return invalid_param("anonymize",
                         "needs all that was found; draw the job as it was run, with "
                         "the confidence that it had");
  }
  // What a text job could not read it left out, unless it was to be hidden.
  if (anonymizing(params) != "none" && anonymizing(kept) == "none" &&
      value_or(kept, "reader", std::string{kNoModel}) != kNoModel &&
      value_or(kept, "text_confidence", 0.0) > 0) {
    return invalid_param("anonymize",
                         "needs a job that kept lines which cannot be read; run one with it, or "
                         "with \"text_confidence\" 0");
  }
  const auto own = check_resolved(params, model);
  if (!own) {
    return own.error();
  }
  params.emplace(kRedraw, std::move(redraw));
  return params;
}

std::vector<std::string> Pipeline::models(const json::object& params) const {
  std::vector<std::string> names;
  if (drawn_job(params)) {
    return names;
  }
  for (const auto& [key, rules] : params_schema().at("properties").as_object()) {
    if (key != "model" && !helper_kind(rules)) {
      continue;
    }
    auto name = json::value_to<std::string>(params.at(key));
    if (name != kNoModel && std::find(names.begin(), names.end(), name) == names.end()) {
      names.push_back(std::move(name));
    }
  }
  return names;
}

std::optional<FrameSequence> Pipeline::sequence(const json::object& params) const {
  if (!goes_in_order(params)) {
    return std::nullopt;
  }
  std::vector<std::unique_ptr<SequenceStep>> steps;
  if (is_tracked(params) && !drawn_job(params)) {
    steps.push_back(make_tracking_step({list_, json::value_to<double>(params.at("confidence")),
                                        common_params(params).frame_step}));
  }
  if (anonymizing(params) != "none") {
    steps.push_back(make_anonymize_step(list_));
  }
  if (auto zones = zones_of(params); !zones.empty()) {
    steps.push_back(make_zones_step(list_, std::move(zones)));
  }
  return FrameSequence{list_, std::move(steps)};
}

FrameSequence Pipeline::redrawing(const json::object& params) const {
  const auto& redraw = params.at(kRedraw).as_object();
  std::vector<std::unique_ptr<SequenceStep>> steps;
  steps.push_back(make_redraw_step({list_, value_or(redraw, "confidence", 0.0),
                                    value_or(params, "classes", std::vector<std::string>{})}));
  return {list_, std::move(steps)};
}

const Pipeline* PipelineCatalogue::find(std::string_view name) const {
  for (const auto& pipeline : pipelines_) {
    if (pipeline->name() == name) {
      return pipeline.get();
    }
  }
  return nullptr;
}

Result<const Pipeline*> PipelineCatalogue::of(const json::object& params) const {
  const auto* name = params.if_contains("pipeline");
  if (name == nullptr || !name->is_string()) {
    return invalid_param("pipeline", name == nullptr ? "is missing" : "must be a text");
  }
  if (const auto* pipeline = find(std::string_view{name->as_string()})) {
    return pipeline;
  }
  std::vector<std::string> names;
  for (const auto& pipeline : pipelines_) {
    names.push_back(pipeline->name());
  }
  return invalid_param(
      "pipeline", fmt::format("there is no such pipeline; there is {}", fmt::join(names, ", ")));
}

json::object PipelineCatalogue::to_json(const inference::ModelCatalogue& models) const {
  json::array items;
  for (const auto& pipeline : pipelines_) {
    json::array list;
    for (const auto& model : models.models()) {
      if (model.pipeline == pipeline->name()) {
        list.push_back(json::object{{"name", model.name},
                                    {"description", model.description},
                                    {"sha256", model.sha256},
                                    {"labels", json::value_from(model.labels)},
                                    {"keypoints", json::value_from(model.keypoints)}});
      }
    }
    items.push_back(json::object{{"name", pipeline->name()},
                                 {"description", pipeline->description()},
                                 {"params", pipeline->params_schema()},
                                 {"models", std::move(list)}});
  }
  return {{"items", std::move(items)}};
}

}  // namespace infernode
