#include "inference/manifest.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/json.hpp"
#include "core/json_schema.hpp"
#include "core/yaml.hpp"

namespace infernode::inference {
namespace {

namespace json = boost::json;

// Manifests are written by people; a longer one is none.
constexpr std::size_t kMaxManifestBytes = 1024 * 1024;
// YOLO at 1280 by 1280 has 33,600.
constexpr std::int64_t kMaxCells = 1'000'000;
// Labels that a classified frame has, unless the manifest says otherwise.
constexpr int kMostClasses = 5;

const JsonSchema& schema() {
  static const JsonSchema compiled{parse_embedded_yaml("api/model.yaml")};
  return compiled;
}

// Sets `target` where the key is given.
template <class T>
void read(const json::object& object, const char* key, T& target) {
  if (const auto* value = object.if_contains(key)) {
    if constexpr (Worded<T>) {
      target = *from_text<T>(std::string_view{value->as_string()});
    } else if constexpr (std::is_same_v<T, std::optional<double>>) {
      target = json::value_to<double>(*value);
    } else {
      target = json::value_to<T>(*value);
    }
  }
}

void read(const json::object& object, const char* key, std::array<double, 3>& target) {
  if (const auto* value = object.if_contains(key)) {
    for (std::size_t i = 0; i < target.size(); ++i) {
      target[i] = json::value_to<double>(value->at(i));
    }
  }
}

ModelInput read_input(const json::object& object) {
  ModelInput input;
  read(object, "name", input.name);
  read(object, "width", input.width);
  read(object, "height", input.height);
  read(object, "longest_side", input.longest_side);
  read(object, "multiple_of", input.multiple_of);
  read(object, "layout", input.layout);
  read(object, "channels", input.channels);
  read(object, "scale", input.scale);
  read(object, "mean", input.mean);
  read(object, "deviation", input.deviation);
  read(object, "fit", input.fit);
  read(object, "fill", input.fill);
  read(object, "crop_share", input.crop_share);
  read(object, "size_name", input.size_name);
  return input;
}

Scores usual_scores(DecoderKind kind) {
  switch (kind) {
    case DecoderKind::ssd_heads:
    case DecoderKind::blazeface:
      return Scores::sigmoid;
    case DecoderKind::detr:
    case DecoderKind::class_scores:
      return Scores::softmax;
    default:
      return Scores::plain;
  }
}

Decoder read_decoder(const json::object& object) {
  Decoder decoder;
  read(object, "kind", decoder.kind);
  decoder.scores = usual_scores(decoder.kind);
  read(object, "scores", decoder.scores);
  read(object, "box", decoder.box);
  if (const auto* columns = object.if_contains("columns")) {
    decoder.columns.clear();
    for (const auto& column : columns->as_array()) {
      decoder.columns.push_back(*from_text<Column>(std::string_view{column.as_string()}));
    }
  }
  read(object, "normalised", decoder.normalised);
  read(object, "first_class", decoder.first_class);
  read(object, "background", decoder.background);
  read(object, "strides", decoder.strides);
  read(object, "anchors", decoder.anchors);
  read(object, "per_cell", decoder.per_cell);
  read(object, "reg_max", decoder.reg_max);
  read(object, "centre_offset", decoder.centre_offset);
  read(object, "threshold", decoder.threshold);
  read(object, "unclip", decoder.unclip);
  if (const auto* ssd = object.if_contains("ssd")) {
    const auto& rules = ssd->as_object();
    read(rules, "min_scale", decoder.ssd.min_scale);
    read(rules, "max_scale", decoder.ssd.max_scale);
    read(rules, "aspect_ratios", decoder.ssd.aspect_ratios);
    read(rules, "interpolated_ratio", decoder.ssd.interpolated_ratio);
    read(rules, "reduced_lowest", decoder.ssd.reduced_lowest);
    read(rules, "fixed_size", decoder.ssd.fixed_size);
    read(rules, "centre_scale", decoder.ssd.centre_scale);
    read(rules, "size_scale", decoder.ssd.size_scale);
  }
  return decoder;
}

bool reads_text(DecoderKind kind) {
  return kind == DecoderKind::text_regions || kind == DecoderKind::text_direction ||
         kind == DecoderKind::text_line;
}

bool finds_keypoints(DecoderKind kind) {
  return kind == DecoderKind::blazeface || kind == DecoderKind::keypoints ||
         kind == DecoderKind::yolo_anchor_free || kind == DecoderKind::top_k_boxes;
}

// What does its own suppression, or has learnt to need none.
bool is_suppressed(DecoderKind kind) {
  return reads_text(kind) || kind == DecoderKind::class_scores || kind == DecoderKind::keypoints ||
         kind == DecoderKind::top_k_boxes || kind == DecoderKind::labelled_boxes ||
         kind == DecoderKind::detr;
}

Suppression read_suppression(const json::object* object, DecoderKind decoder) {
  Suppression suppression;
  suppression.kind = is_suppressed(decoder) ? SuppressionKind::none : SuppressionKind::class_aware;
  if (decoder == DecoderKind::class_scores) {
    suppression.most = kMostClasses;
  }
  if (object != nullptr) {
    read(*object, "kind", suppression.kind);
    read(*object, "iou", suppression.iou);
    read(*object, "sigma", suppression.sigma);
    read(*object, "most", suppression.most);
  }
  return suppression;
}

struct OutputCount {
  std::size_t least;
  std::size_t most;
};

OutputCount outputs_of(const Decoder& decoder) {
  switch (decoder.kind) {
    case DecoderKind::labelled_boxes:
      return {3, 4};
    case DecoderKind::scored_boxes:
    case DecoderKind::ssd_heads:
    case DecoderKind::detr:
      return {2, 2};
    case DecoderKind::blazeface:
      return {2, 2 * decoder.strides.size()};
    case DecoderKind::yolo_anchors:
      return decoder.anchors.empty() ? OutputCount{1, 1}
                                     : OutputCount{decoder.anchors.size(), decoder.anchors.size()};
    default:
      return {1, 1};
  }
}

Golden read_golden(const json::object& object) {
  Golden golden;
  read(object, "picture", golden.picture);
  read(object, "confidence", golden.confidence);
  read(object, "confidence_tolerance", golden.confidence_tolerance);
  read(object, "overlap", golden.overlap);
  for (const auto& value : object.at("objects").as_array()) {
    const auto side = [&](std::size_t i) { return value.at("box").at(i).to_number<double>(); };
    golden.objects.push_back({json::value_to<std::string>(value.at("label")),
                              value.at("confidence").to_number<double>(),
                              {side(0), side(1), side(2), side(3)}});
    read(value.as_object(), "text", golden.objects.back().text);
  }
  return golden;
}

// How many anchors or cells a decoder goes through, before it has seen an output.
std::int64_t cells_of(const Decoder& decoder, const ModelInput& input) {
  const std::int64_t width = std::max(input.width, input.longest_side);
  const std::int64_t height = std::max(input.height, input.longest_side);
  std::int64_t cells = 0;
  for (std::size_t level = 0; level < decoder.strides.size(); ++level) {
    std::int64_t per_cell = 1;
    if (decoder.kind == DecoderKind::blazeface && level < decoder.per_cell.size()) {
      per_cell = decoder.per_cell[level];
    } else if (decoder.kind == DecoderKind::ssd_heads) {
      per_cell = static_cast<std::int64_t>(decoder.ssd.aspect_ratios.size()) + 1;
    }
    const std::int64_t stride = decoder.strides[level];
    cells += (width / stride + 1) * (height / stride + 1) * per_cell;
  }
  return cells;
}

// What a decoder does not read must not be said: whoever says it counts on it.
Result<void> check_keys(DecoderKind kind, const json::object& decoder) {
  using Kind = DecoderKind;
  const std::vector<std::pair<const char*, std::vector<Kind>>> readers{
      {"box", {Kind::labelled_boxes, Kind::scored_boxes, Kind::keypoints}},
      {"columns", {Kind::top_k_boxes}},
      {"normalised",
       {Kind::top_k_boxes, Kind::labelled_boxes, Kind::scored_boxes, Kind::yolo_anchor_free,
        Kind::keypoints}},
      {"first_class", {Kind::labelled_boxes}},
      {"background", {Kind::scored_boxes, Kind::ssd_heads, Kind::class_scores}},
      {"per_cell", {Kind::blazeface}},
      {"reg_max", {Kind::nanodet}},
      {"threshold", {Kind::text_regions}},
      {"unclip", {Kind::text_regions}}};
  for (const auto& [key, kinds] : readers) {
    if (decoder.contains(key) && std::find(kinds.begin(), kinds.end(), kind) == kinds.end()) {
      return invalid(fmt::format("/decoder/{}", key),
                     fmt::format("{} does not read it", to_text(kind)));
    }
  }
  return {};
}

// Whether the decoder makes probabilities of such scores.
bool reads_scores(DecoderKind kind, Scores scores) {
  switch (kind) {
    case DecoderKind::yolo_anchor_free:
      return scores != Scores::softmax;
    case DecoderKind::top_k_boxes:
    case DecoderKind::labelled_boxes:
    case DecoderKind::keypoints:
    case DecoderKind::text_regions:
    case DecoderKind::text_direction:
    case DecoderKind::text_line:
      return scores == Scores::plain;
    default:
      return true;
  }
}

Result<void> check_decoder(const Decoder& decoder, const ModelInput& input) {
  const auto kind = to_text(decoder.kind);
  const bool needs_strides = decoder.kind == DecoderKind::yolox ||
                             decoder.kind == DecoderKind::nanodet ||
                             decoder.kind == DecoderKind::ssd_heads ||
                             decoder.kind == DecoderKind::blazeface || !decoder.anchors.empty();
  if (needs_strides && decoder.strides.empty()) {
    return invalid("/decoder/strides", fmt::format("{} needs them", kind));
  }
  if (!decoder.anchors.empty() && decoder.kind != DecoderKind::yolo_anchors) {
    return invalid("/decoder/anchors", fmt::format("{} has none", kind));
  }
  if (!decoder.anchors.empty() && decoder.anchors.size() != decoder.strides.size()) {
    return invalid("/decoder/anchors", "there must be a list for each of the strides");
  }
  if (decoder.kind == DecoderKind::blazeface && decoder.per_cell.size() != decoder.strides.size()) {
    return invalid("/decoder/per_cell", "there must be a number for each of the strides");
  }
  for (const auto& level : decoder.anchors) {
    if (level.size() % 2 != 0) {
      return invalid("/decoder/anchors", "each has a width and a height");
    }
  }
  for (const auto& [column, word] : Words<Column>::all) {
    const auto count = std::count(decoder.columns.begin(), decoder.columns.end(), column);
    if (column != Column::other && count != 1) {
      return invalid("/decoder/columns", fmt::format("{} must be among them, once", word));
    }
  }
  if (!reads_scores(decoder.kind, decoder.scores)) {
    return invalid("/decoder/scores",
                   fmt::format("{} takes none of {}", kind, to_text(decoder.scores)));
  }
  if (cells_of(decoder, input) > kMaxCells) {
    return invalid("/decoder/strides",
                   fmt::format("make more than {} cells of the input", kMaxCells));
  }
  return {};
}

Result<void> check_input(const ModelInput& input) {
  const bool sized = input.width > 0 && input.height > 0;
  if ((input.width > 0) != (input.height > 0)) {
    return invalid("/input", "width and height belong together");
  }
  if (sized == (input.longest_side > 0)) {
    return invalid("/input", "needs either width and height or longest_side");
  }
  if (input.fit == Fit::crop && !sized) {
    return invalid("/input/fit", "crop needs width and height");
  }
  if (input.fit != Fit::crop && input.crop_share != 1) {
    return invalid("/input/crop_share", "needs \"fit\": \"crop\"");
  }
  return {};
}

// Pipelines whose models have outputs of a kind of their own.
Result<void> check_pipeline(const Model& model) {
  if (model.name == "none") {
    return invalid("/name", "is taken: in params it stands for no model");
  }
  const auto kind = model.decoder.kind;
  if (reads_text(kind) != (model.pipeline == "text")) {
    return invalid("/decoder/kind",
                   "pipeline text takes text_regions, text_direction and text_line, others do not");
  }
  if ((kind == DecoderKind::text_line) != !model.alphabet.empty()) {
    return invalid("/alphabet", fmt::format("{} {}", to_text(kind),
                                            model.alphabet.empty() ? "needs one" : "has none"));
  }
  const std::size_t labels = kind == DecoderKind::text_direction ? 2 : 1;
  if (reads_text(kind) && model.labels.size() != labels) {
    return invalid("/labels", labels == 1 ? "it finds one kind of thing"
                                          : "it tells two directions: upright and upside down");
  }
  // Who is outside of the middle would not be found, and not be hidden.
  if (model.input.fit == Fit::crop && kind != DecoderKind::class_scores) {
    return invalid("/input/fit", "crop is for class_scores: others find nothing outside of it");
  }
  if ((kind == DecoderKind::class_scores) != (model.pipeline == "classify")) {
    return invalid("/decoder/kind", "pipeline classify takes class_scores, others do not");
  }
  const bool has_lines = kind == DecoderKind::text_direction || kind == DecoderKind::text_line;
  if (has_lines && model.input.height == 0) {
    return invalid("/input", fmt::format("{} needs width and height", to_text(kind)));
  }
  return {};
}

// PostgreSQL stores none, and an escape sequence stands for it in either language.
bool holds_nul(const json::value& value) {
  if (const auto* text = value.if_string()) {
    return text->find('\0') != json::string::npos;
  }
  if (const auto* array = value.if_array()) {
    return std::any_of(array->begin(), array->end(), holds_nul);
  }
  if (const auto* object = value.if_object()) {
    return std::any_of(object->begin(), object->end(), [](const auto& entry) {
      return entry.key().find('\0') != std::string_view::npos || holds_nul(entry.value());
    });
  }
  return false;
}

Result<json::value> parse(std::string_view text) {
  if (text.size() > kMaxManifestBytes) {
    return invalid("", "a manifest has at most 1 MiB");
  }
  if (!is_utf8(text)) {
    return invalid("", "a manifest is text in UTF-8");
  }
  const auto start = text.find_first_not_of(" \t\r\n");
  const bool is_json = start != std::string_view::npos && text[start] == '{';
  try {
    auto value = is_json ? json::parse(text) : parse_yaml(text);
    if (holds_nul(value)) {
      return invalid("", "a manifest is text, without the character U+0000");
    }
    return value;
  } catch (const std::exception& error) {
    return invalid("", fmt::format("no {}: {}", is_json ? "JSON" : "YAML", error.what()));
  }
}

}  // namespace

const json::value& manifest_schema() {
  return schema().source();
}

Result<Model> read_manifest(std::string_view text) {
  const auto value = parse(text);
  if (!value) {
    return value.error();
  }
  auto errors = schema().check(*value);
  if (!errors.empty()) {
    Error error{ErrorCode::invalid, joined_details(errors)};
    error.fields = std::move(errors);
    return error;
  }
  const auto& object = value->as_object();
  Model model;
  read(object, "name", model.name);
  read(object, "pipeline", model.pipeline);
  read(object, "default", model.is_default);
  read(object, "description", model.description);
  read(object, "source", model.source);
  read(object, "license", model.license);
  read(object, "sha256", model.sha256);
  read(object, "outputs", model.outputs);
  read(object, "confidence", model.confidence);
  read(object, "labels", model.labels);
  read(object, "keypoints", model.keypoints);
  if (const auto* alphabet = object.if_contains("alphabet")) {
    model.alphabet = utf8_characters(alphabet->as_string());
  }
  if (const auto* golden = object.if_contains("golden")) {
    model.golden = read_golden(golden->as_object());
  }
  model.input = read_input(object.at("input").as_object());
  model.decoder = read_decoder(object.at("decoder").as_object());
  const auto* suppression = object.if_contains("suppression");
  model.suppression = read_suppression(suppression == nullptr ? nullptr : &suppression->as_object(),
                                       model.decoder.kind);
  for (const auto& check :
       {check_input(model.input), check_keys(model.decoder.kind, object.at("decoder").as_object()),
        check_decoder(model.decoder, model.input)}) {
    if (!check) {
      return check.error();
    }
  }
  const auto [least, most] = outputs_of(model.decoder);
  if (model.outputs.size() < least || model.outputs.size() > most) {
    return invalid("/outputs", fmt::format("{} reads {}{} of them", to_text(model.decoder.kind),
                                           least, most > least ? fmt::format(" or {}", most) : ""));
  }
  if (model.decoder.kind == DecoderKind::blazeface && model.outputs.size() % 2 != 0) {
    return invalid("/outputs", "blazeface reads as many of scores as of boxes");
  }
  const auto fits = check_pipeline(model);
  if (!fits) {
    return fits.error();
  }
  if (!model.keypoints.empty() && !finds_keypoints(model.decoder.kind)) {
    return invalid("/keypoints", fmt::format("{} finds none", to_text(model.decoder.kind)));
  }
  if (model.decoder.kind == DecoderKind::keypoints && model.keypoints.empty()) {
    return invalid("/keypoints", "keypoints needs their names");
  }
  if (model.decoder.kind == DecoderKind::keypoints && model.labels.size() != 1) {
    return invalid("/labels", "keypoints finds one kind of thing");
  }
  if (model.golden) {
    const auto unknown = std::find_if(model.golden->objects.begin(), model.golden->objects.end(),
                                      [&](const GoldenObject& expected) {
                                        return std::find(model.labels.begin(), model.labels.end(),
                                                         expected.label) == model.labels.end();
                                      });
    if (unknown != model.golden->objects.end()) {
      return invalid("/golden/objects", fmt::format("there is no label {}", unknown->label));
    }
  }
  return model;
}

}  // namespace infernode::inference
