// Goal: the pipeline says what it takes and what it found, and the real model finds people.
// Method: tables; one real frame through the real model.
#include <gtest/gtest.h>

#include <algorithm>

#include "http/openapi.hpp"
#include "inference/manifest.hpp"
#include "media/frame_reader.hpp"
#include "pipelines/detect/detect.hpp"
#include "pipelines/detector.hpp"
#include "testing/file_source.hpp"

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
  const inference::RunnerModels models{INFERNODE_MODELS, {"centernet"}, inference::Device::cpu};
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

}  // namespace
}  // namespace infernode::detect
