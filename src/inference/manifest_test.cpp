// Goal: a manifest is read as it is meant, and a wrong one is answered with the place and what to
// do. Method: tables.
#include "inference/manifest.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "core/yaml.hpp"

namespace infernode::inference {
namespace {

namespace json = boost::json;

json::object small() {
  return json::parse(R"({
    "name": "m", "pipeline": "detect", "source": "here", "license": "MIT",
    "input": {"name": "images", "width": 640, "height": 640},
    "outputs": ["output0"], "decoder": {"kind": "yolo_anchor_free"}, "labels": ["a", "b"]})")
      .as_object();
}

TEST(Manifest, FillsInWhatIsUsual) {
  const auto model = read_manifest(json::serialize(small()));
  ASSERT_TRUE(model) << model.error().detail;
  EXPECT_EQ(model->input.layout, Layout::nchw);
  EXPECT_EQ(model->input.fill, 114);
  EXPECT_EQ(model->suppression.kind, SuppressionKind::class_aware);
  EXPECT_FALSE(model->confidence);
  EXPECT_FALSE(model->is_default);
}

TEST(Manifest, IsYamlToo) {
  const auto model = read_manifest(R"(
name: yolox-s
pipeline: detect
source: https://github.com/Megvii-BaseDetection/YOLOX
license: Apache-2.0
input: { name: images, width: 640, height: 640, channels: bgr, fit: letterbox_top_left }
outputs: [output]
decoder: { kind: yolox, strides: [8, 16, 32] }
suppression: { kind: soft, sigma: 0.3 }
confidence: 0.25
labels: [person, bicycle]
)");
  ASSERT_TRUE(model) << model.error().detail;
  EXPECT_EQ(model->input.channels, Channels::bgr);
  EXPECT_EQ(model->input.fit, Fit::letterbox_top_left);
  EXPECT_EQ(model->decoder.strides, (std::vector<int>{8, 16, 32}));
  EXPECT_EQ(model->suppression.kind, SuppressionKind::soft);
  EXPECT_EQ(model->suppression.sigma, 0.3);
  EXPECT_EQ(model->confidence, 0.25);
}

// What the code takes where a key is missing is what the schema tells people.
TEST(Manifest, DefaultsAreThoseOfTheSchema) {
  const auto& properties = manifest_schema().at("properties");
  const auto fallback = [](const json::value& part, const char* key) {
    return part.at("properties").at(key).at("default");
  };
  const auto& input = properties.at("input");
  const ModelInput code;
  EXPECT_EQ(fallback(input, "layout").as_string(), to_text(code.layout));
  EXPECT_EQ(fallback(input, "channels").as_string(), to_text(code.channels));
  EXPECT_EQ(fallback(input, "fit").as_string(), to_text(code.fit));
  EXPECT_EQ(fallback(input, "fill").as_int64(), code.fill);
  EXPECT_EQ(fallback(input, "multiple_of").as_int64(), code.multiple_of);
  const auto& suppression = properties.at("suppression");
  EXPECT_EQ(fallback(suppression, "iou").as_double(), Suppression{}.iou);
  EXPECT_EQ(fallback(suppression, "sigma").as_double(), Suppression{}.sigma);
  EXPECT_EQ(fallback(suppression, "most").as_int64(), Suppression{}.most);
  const auto& decoder = properties.at("decoder");
  EXPECT_EQ(fallback(decoder, "reg_max").as_int64(), Decoder{}.reg_max);
  const auto& ssd = decoder.at("properties").at("ssd");
  EXPECT_EQ(json::value_to<std::vector<double>>(fallback(ssd, "aspect_ratios")),
            SsdAnchors{}.aspect_ratios);
  EXPECT_EQ(fallback(ssd, "centre_scale").as_int64(), SsdAnchors{}.centre_scale);
  EXPECT_EQ(fallback(ssd, "size_scale").as_int64(), SsdAnchors{}.size_scale);
}

// Every word of the schema's lists is one that the code knows.
TEST(Manifest, WordsAreThoseOfTheSchema) {
  const auto& decoder = manifest_schema().at("properties").at("decoder").at("properties");
  const auto expect_all = [](const json::value& part, auto example) {
    const auto words = json::value_to<std::vector<std::string>>(part.at("enum"));
    EXPECT_EQ(words.size(), std::size(Words<decltype(example)>::all));
    for (const auto& word : words) {
      EXPECT_TRUE(from_text<decltype(example)>(word)) << word;
    }
  };
  expect_all(decoder.at("kind"), DecoderKind{});
  expect_all(decoder.at("scores"), Scores{});
  expect_all(decoder.at("box"), BoxOrder{});
  const auto& input = manifest_schema().at("properties").at("input").at("properties");
  expect_all(input.at("layout"), Layout{});
  expect_all(input.at("channels"), Channels{});
  expect_all(input.at("fit"), Fit{});
  expect_all(manifest_schema().at("properties").at("suppression").at("properties").at("kind"),
             SuppressionKind{});
}

TEST(Manifest, NamesThePlaceThatIsWrong) {
  struct Case {
    std::string pointer;  // where something is put
    std::string value;
    std::string place;  // that the answer names
  };
  const std::vector<Case> cases{
      {"/name", "\"../x\"", "/name"},
      {"/name", "3", "/name"},
      {"/name", "\"none\"", "/name"},
      {"/pipeline", "\"magic\"", "/pipeline"},
      {"/colour", "1", "/colour"},
      {"/input/width", "0", "/input/width"},
      {"/input/width", "100000", "/input/width"},
      {"/input/longest_side", "640", "/input"},
      {"/input/mean", "[1, 2]", "/input/mean"},
      {"/input/deviation", "[0, 1, 1]", "/input/deviation/0"},
      {"/input/crop_share", "0.5", "/input/crop_share"},
      {"/input/fit", "\"crop\"", "/input/fit"},
      {"/outputs", "[]", "/outputs"},
      {"/outputs", "[\"a\", \"b\"]", "/outputs"},
      {"/decoder/kind", "\"magic\"", "/decoder/kind"},
      {"/decoder", "{\"kind\": \"detr\"}", "/outputs"},
      {"/decoder", "{\"kind\": \"yolox\"}", "/decoder/strides"},
      {"/decoder", "{\"kind\": \"yolo_anchors\", \"anchors\": [[1, 2]]}", "/decoder/strides"},
      {"/decoder", "{\"kind\": \"yolo_anchors\", \"anchors\": [[1, 2, 3]], \"strides\": [8]}",
       "/decoder/anchors"},
      {"/decoder", "{\"kind\": \"yolo_anchors\", \"anchors\": [[1, 2]], \"strides\": [8, 16]}",
       "/decoder/anchors"},
      {"/decoder", "{\"kind\": \"keypoints\"}", "/keypoints"},
      {"/decoder", "{\"kind\": \"blazeface\", \"strides\": [8]}", "/decoder/per_cell"},
      {"/decoder", "{\"kind\": \"blazeface\", \"strides\": [8], \"per_cell\": [2]}", "/outputs"},
      {"/decoder", "{\"kind\": \"yolox\", \"strides\": [1, 1, 1]}", "/decoder/strides"},
      {"/decoder", "{\"kind\": \"yolo_anchors\", \"normalised\": true}", "/decoder/normalised"},
      {"/decoder", "{\"kind\": \"detr\", \"box\": \"cxcywh\"}", "/decoder/box"},
      {"/decoder", "{\"kind\": \"top_k_boxes\", \"first_class\": 1}", "/decoder/first_class"},
      {"/decoder", "{\"kind\": \"detr\", \"background\": true}", "/decoder/background"},
      {"/decoder", "{\"kind\": \"top_k_boxes\", \"scores\": \"sigmoid\"}", "/decoder/scores"},
      {"/decoder", "{\"kind\": \"yolo_anchor_free\", \"scores\": \"softmax\"}", "/decoder/scores"},
      {"/keypoints", "[\"nose\", \"nose\"]", "/keypoints"},
      {"/decoder",
       "{\"kind\": \"top_k_boxes\", \"columns\": [\"x1\", \"y1\", \"x2\", \"y2\", \"score\", "
       "\"score\"]}",
       "/decoder/columns"},
      {"/decoder",
       "{\"kind\": \"yolo_anchor_free\", \"columns\": [\"x1\", \"y1\", \"x2\", \"y2\", \"score\", "
       "\"class\"]}",
       "/decoder/columns"},
      {"/decoder", "{\"kind\": \"scored_boxes\"}", "/outputs"},
      {"/decoder", "{\"kind\": \"text_line\"}", "/decoder/kind"},
      {"/decoder", "{\"kind\": \"class_scores\"}", "/decoder/kind"},
      {"/pipeline", "\"text\"", "/decoder/kind"},
      {"/alphabet", "\"abc\"", "/alphabet"},
      {"/labels", "[]", "/labels"},
      {"/labels", "[\"\"]", "/labels/0"},
      {"/sha256", "\"abc\"", "/sha256"},
      {"/suppression", "{\"iou\": 2}", "/suppression/iou"},
      {"/confidence", "-1", "/confidence"}};
  for (const auto& each : cases) {
    auto manifest = small();
    const auto below = each.pointer.find('/', 1);
    if (below == std::string::npos) {
      manifest[each.pointer.substr(1)] = json::parse(each.value);
    } else {
      json::value& parent = manifest[each.pointer.substr(1, below - 1)];
      if (!parent.is_object()) {
        parent.emplace_object();
      }
      parent.as_object()[each.pointer.substr(below + 1)] = json::parse(each.value);
    }
    const auto model = read_manifest(json::serialize(manifest));
    ASSERT_FALSE(model) << each.pointer << " " << each.value;
    ASSERT_FALSE(model.error().fields.empty());
    EXPECT_EQ(model.error().fields[0].pointer, each.place) << each.pointer << " " << each.value;
  }
  for (const auto* key :
       {"name", "pipeline", "source", "license", "input", "outputs", "decoder", "labels"}) {
    auto manifest = small();
    manifest.erase(key);
    EXPECT_FALSE(read_manifest(json::serialize(manifest))) << key;
  }
}

TEST(Manifest, RefusesWhatIsNone) {
  for (const auto* text :
       {"", "{", "[]", "null", "a: [", "&a [*a, *a]", "\xff\xfe",
        "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\n"
        "c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b]\nd: &d [*c, *c, *c, *c, *c, *c, *c]\n"
        "e: &e [*d, *d, *d, *d, *d, *d, *d]\nf: [*e, *e, *e, *e, *e, *e, *e, *e]"}) {
    EXPECT_FALSE(read_manifest(text)) << text;
  }
  EXPECT_FALSE(read_manifest(std::string(2 * 1024 * 1024, ' ')));
  auto manifest = small();
  manifest["description"] = "umlaut \xfc";
  EXPECT_FALSE(read_manifest(json::serialize(manifest)));
  manifest["description"] = "#";
  auto text = json::serialize(manifest);
  text[text.find('#')] = '\0';
  EXPECT_FALSE(read_manifest(text));
  manifest["description"] = "";
  manifest["labels"] = json::array{std::string{"a\0b", 3}, "b"};
  EXPECT_FALSE(read_manifest(json::serialize(manifest)));
  EXPECT_FALSE(read_manifest(R"(
{name: m, pipeline: detect, source: here, license: MIT, input: {name: i, width: 64, height: 64},
 outputs: [o], decoder: {kind: yolo_anchor_free}, labels: ["a\0"]})"));
}

// Every manifest that docs/models.md shows, with what all of them have, is one.
TEST(Manifest, ThoseOfTheDocumentAreSound) {
  std::ifstream in{INFERNODE_SOURCE_DIR "/docs/models.md"};
  const std::string page{std::istreambuf_iterator<char>{in}, {}};
  const std::string fence = "```yaml\n";
  int found = 0;
  for (auto at = page.find(fence); at != std::string::npos; at = page.find(fence, at)) {
    at += fence.size();
    const auto shown = parse_yaml(page.substr(at, page.find("```", at) - at)).as_object();
    auto manifest = small();
    for (const auto& [key, value] : shown) {
      manifest[key] = value;
    }
    const auto model = read_manifest(json::serialize(manifest));
    EXPECT_TRUE(model) << json::serialize(shown) << model.error().detail;
    ++found;
  }
  EXPECT_GE(found, 10);
}

}  // namespace
}  // namespace infernode::inference
