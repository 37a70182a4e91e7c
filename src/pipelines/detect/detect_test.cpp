// Goal: the pipeline says what it takes and what it found, and the real model finds people.
// Method: tables; one real frame through the real model.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "http/openapi.hpp"
#include "inference/manifest.hpp"
#include "inference/preprocessing.hpp"
#include "media/frame_reader.hpp"
#include "pipelines/detect/detect.hpp"
#include "pipelines/detector.hpp"
#include "testing/file_source.hpp"
#include "testing/golden.hpp"
#include "testing/one_frame.hpp"

namespace infernode::detect {
namespace {

inference::ModelCatalogue catalogue() {
  inference::Model model;
  model.name = "m";
  model.pipeline = "detect";
  model.labels = {"person", "car"};
  return inference::ModelCatalogue{{model}};
}

TEST(DetectParams, FillsDefaultsInFromTheSchema) {
  const auto pipeline = make_pipeline();
  const auto params = pipeline->resolve({{"pipeline", "detect"}}, {120}, catalogue());
  ASSERT_TRUE(params);
  EXPECT_EQ(params->at("end_frame").as_int64(), 120);
  EXPECT_EQ(params->at("model").as_string(), "m");
  EXPECT_EQ(params->at("confidence").as_double(), 0.3);
  EXPECT_EQ(params->size(), pipeline->params_schema().at("properties").as_object().size());
  EXPECT_EQ(pipeline->models(*params), std::vector<std::string>{"m"});
}

TEST(DetectParams, NamesTheKeyThatIsWrong) {
  using boost::json::object;
  const std::vector<std::pair<object, std::string>> cases{
      {{{"pipeline", "detect"}, {"start_frame", 120}}, "/params/start_frame"},
      {{{"pipeline", "detect"}, {"end_frame", 121}}, "/params/end_frame"},
      {{{"pipeline", "detect"}, {"start_frame", 5}, {"end_frame", 5}}, "/params/end_frame"},
      {{{"pipeline", "detect"}, {"model", "other"}}, "/params/model"},
      {{{"pipeline", "detect"}, {"classes", {"person", "unicorn"}}}, "/params/classes/1"}};
  const auto pipeline = make_pipeline();
  for (const auto& [given, pointer] : cases) {
    ASSERT_TRUE(pipeline->check(given));
    const auto params = pipeline->resolve(given, {120}, catalogue());
    ASSERT_FALSE(params) << pointer;
    EXPECT_EQ(params.error().fields.at(0).pointer, pointer);
  }
  const auto checked = pipeline->check({{"pipeline", "detect"}, {"confidence", 2}, {"mode", 1}});
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().fields.size(), 2U);
  EXPECT_TRUE(checked.error().fields.at(0).pointer.starts_with("/params/"));
}

TEST(DetectParams, TheDocumentShowsTheSchemaThatIsChecked) {
  const http::ApiDocument document{"api/openapi.yaml"};
  const auto shown = boost::json::parse(document.text());
  const PipelineCatalogue pipelines;
  for (const auto& pipeline : pipelines.all()) {
    std::string name = pipeline->name() + "Params";
    name[0] = static_cast<char>(name[0] - 'a' + 'A');
    EXPECT_EQ(shown.at_pointer("/components/schemas/" + name), pipeline->params_schema());
  }
}

TEST(Pipelines, AreChosenByName) {
  const PipelineCatalogue pipelines;
  ASSERT_TRUE(pipelines.of({{"pipeline", "detect"}}));
  for (const boost::json::object& params :
       {boost::json::object{{"pipeline", "nothing"}}, {{"pipeline", 1}}, {}}) {
    const auto found = pipelines.of(params);
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().fields.at(0).pointer, "/params/pipeline");
  }
}

TEST(Pipelines, AreThoseThatManifestsMayName) {
  std::vector<std::string> names;
  const PipelineCatalogue pipelines;
  for (const auto& pipeline : pipelines.all()) {
    names.push_back(pipeline->name());
  }
  EXPECT_EQ(boost::json::value_from(names),
            inference::manifest_schema().at_pointer("/properties/pipeline/enum"));
}

TEST(Detect, SumsLabelsUp) {
  const auto summary = make_pipeline()->summary({{"car", 2}, {"person", 5}});
  EXPECT_EQ(summary.at("objects").as_int64(), 7);
  EXPECT_EQ(summary.at("labels").at("person").as_int64(), 5);
}

TEST(Detector, FindsPeopleInARealFrameTheSameEveryTime) {
  const inference::RunnerModels models{inference::read_models({INFERNODE_MODELS "/centernet.onnx"}),
                                       inference::Device::cpu};
  Detector detector{models.at("centernet"), 0.3, {}};
  EXPECT_EQ(models.at("centernet").model.sha256.size(), 64U);
  EXPECT_THROW(static_cast<void>(models.at("other")), std::runtime_error);
  test::MemorySource source{test::read_file(INFERNODE_SOURCE_DIR "/examples/street.mp4")};
  media::FrameReader reader{source, std::nullopt};
  const auto frame = reader.next();
  ASSERT_TRUE(frame);
  const auto first = detector.detect(*frame);
  const auto people = std::count_if(first.begin(), first.end(),
                                    [](const auto& found) { return found.class_id == 0; });
  EXPECT_GE(people, 4);
  const auto again = detector.detect(*frame);
  ASSERT_EQ(first.size(), again.size());
  for (std::size_t i = 0; i < first.size(); ++i) {
    EXPECT_EQ(first[i].confidence, again[i].confidence);
    EXPECT_EQ(first[i].x, again[i].x);
  }
}

// SSD's post-processing as MediaPipe publishes it (ssd_anchors_calculator.cc,
// tflite_tensors_to_detections_calculator.cc), written down once more for this model alone: boxes
// in shares of the picture, of those that score 0.3 or more.
struct SsdBox {
  int label = 0;
  float score = 0;
  float left = 0;
  float top = 0;
  float right = 0;
  float bottom = 0;
};

std::vector<std::array<float, 4>> ssd_anchors() {
  const std::array<int, 6> sides{19, 10, 5, 3, 2, 1};
  std::vector<std::array<float, 4>> anchors;  // x, y, width, height
  for (int layer = 0; layer < 6; ++layer) {
    const float scale = 0.2F + 0.75F * static_cast<float>(layer) / 5;
    const float next = layer == 5 ? 1.0F : 0.2F + 0.75F * static_cast<float>(layer + 1) / 5;
    std::vector<std::pair<float, float>> shapes{{scale, 1.0F},    {scale, 2.0F},
                                                {scale, 0.5F},    {scale, 3.0F},
                                                {scale, 0.3333F}, {std::sqrt(scale * next), 1.0F}};
    if (layer == 0) {
      shapes = {{0.1F, 1.0F}, {scale, 2.0F}, {scale, 0.5F}};
    }
    const int side = sides.at(static_cast<std::size_t>(layer));
    for (int cell = 0; cell < side * side; ++cell) {
      const int row = cell / side;
      for (const auto& [size, ratio] : shapes) {
        anchors.push_back({(static_cast<float>(cell % side) + 0.5F) / static_cast<float>(side),
                           (static_cast<float>(row) + 0.5F) / static_cast<float>(side),
                           size * std::sqrt(ratio), size / std::sqrt(ratio)});
      }
    }
  }
  return anchors;
}

std::vector<SsdBox> ssd_boxes(const std::vector<float>& raw, const std::vector<float>& scores) {
  const auto anchors = ssd_anchors();
  std::vector<SsdBox> found;
  for (std::size_t i = 0; i < anchors.size(); ++i) {
    SsdBox box;
    for (int label = 1; label < 24; ++label) {
      const float score = 1 / (1 + std::exp(-scores.at(i * 24 + static_cast<std::size_t>(label))));
      if (score > box.score) {
        box.score = score;
        box.label = label - 1;
      }
    }
    const auto& [x, y, width, height] = anchors[i];
    const float centre_y = raw.at(i * 4) / 10 * height + y;
    const float centre_x = raw.at(i * 4 + 1) / 10 * width + x;
    const float half_height = std::exp(raw.at(i * 4 + 2) / 5) * height / 2;
    const float half_width = std::exp(raw.at(i * 4 + 3) / 5) * width / 2;
    box.left = centre_x - half_width;
    box.top = centre_y - half_height;
    box.right = centre_x + half_width;
    box.bottom = centre_y + half_height;
    if (box.score >= 0.3F) {
      found.push_back(box);
    }
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const SsdBox& a, const SsdBox& b) { return a.score > b.score; });
  std::vector<SsdBox> kept;
  for (const auto& box : found) {
    const bool is_new = std::none_of(kept.begin(), kept.end(), [&](const SsdBox& other) {
      const float wide = std::min(box.right, other.right) - std::max(box.left, other.left);
      const float high = std::min(box.bottom, other.bottom) - std::max(box.top, other.top);
      const auto area = [](const SsdBox& b) { return (b.right - b.left) * (b.bottom - b.top); };
      const float both = std::max(wide, 0.0F) * std::max(high, 0.0F);
      return box.label == other.label && both / (area(box) + area(other) - both) > 0.5F;
    });
    if (is_new) {
      kept.push_back(box);
    }
  }
  return kept;
}

TEST(SsdMobileNet, FindsWhatThePublishedPostProcessingGives) {
  const inference::RunnerModels models{
      inference::read_models({INFERNODE_MODELS "/ssd-mobilenet-v2.onnx"}), inference::Device::cpu};
  const auto& loaded = models.at("ssd-mobilenet-v2");
  test::MemorySource source{test::read_file(INFERNODE_SOURCE_DIR "/examples/street.mp4")};
  media::FrameReader reader{source, std::nullopt};
  const auto frame = reader.next();
  ASSERT_TRUE(frame);
  inference::Preprocessor preprocessor{loaded.model.input};
  auto& input = preprocessor.prepare(*frame);
  const auto outputs = loaded.session->run(input.values, input.shape);
  const auto expected = ssd_boxes(outputs.at(0).values, outputs.at(1).values);
  const auto found = Detector{loaded, 0.3, {}}.detect(*frame);
  ASSERT_EQ(found.size(), expected.size());
  int people = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].class_id, expected[i].label) << i;
    EXPECT_NEAR(found[i].confidence, expected[i].score, 1e-3);
    EXPECT_NEAR(found[i].x, std::max(0.0F, expected[i].left) * 768, 0.1) << i;
    EXPECT_NEAR(found[i].y, std::max(0.0F, expected[i].top) * 576, 0.1) << i;
    EXPECT_NEAR(found[i].x + found[i].width, std::min(1.0F, expected[i].right) * 768, 0.1) << i;
    EXPECT_NEAR(found[i].y + found[i].height, std::min(1.0F, expected[i].bottom) * 576, 0.1) << i;
    people += loaded.model.labels.at(static_cast<std::size_t>(found[i].class_id)) == "person";
  }
  EXPECT_GE(people, 4);
}

TEST(SsdMobileNet, LooksAsItShould) {
  const auto result = test::result_of_frame(*make_pipeline(),
                                            {{"pipeline", "detect"}, {"model", "ssd-mobilenet-v2"}},
                                            "examples/street.mp4", 59);
  test::expect_golden_jpeg(result.jpeg, "docs/images/street-ssd.jpg");
}

TEST(CenterNet, LooksAsItShould) {
  const auto result =
      test::result_of_frame(*make_pipeline(), {{"pipeline", "detect"}}, "examples/street.mp4", 59);
  test::expect_golden_jpeg(result.jpeg, "docs/images/street.jpg");
}

TEST(CenterNet, CutsOutWhatItFinds) {
  const auto result = test::result_of_frame(
      *make_pipeline(), {{"pipeline", "detect"}, {"images", false}, {"crops", true}},
      "examples/street.mp4", 59);
  EXPECT_TRUE(result.jpeg.empty());
  const auto frame = boost::json::parse(result.json);
  const auto& objects = frame.at("objects").as_array();
  ASSERT_EQ(result.crops.size(), objects.size());
  ASSERT_GE(objects.size(), 4U);
  for (std::size_t i = 0; i < objects.size(); ++i) {
    EXPECT_EQ(result.crops[i].object, i);
  }
  test::expect_golden_jpeg(result.crops.front().jpeg, "src/pipelines/golden/crop.jpg");
}

}  // namespace
}  // namespace infernode::detect
