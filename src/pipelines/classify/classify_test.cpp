// Goal: a frame gets the labels that fit best. Method: a model whose scores are the means of the
// three colours, so that they can be computed by hand.
#include "pipelines/classify/classify.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "inference/manifest.hpp"
#include "inference/runner_models.hpp"
#include "pipelines/frame_task.hpp"
#include "testing/onnx_file.hpp"

namespace infernode::classify {
namespace {

namespace json = boost::json;

constexpr const char* kManifest = R"({
  "name": "means", "pipeline": "classify", "source": "a test", "license": "none",
  "input": {"name": "x", "width": 8, "height": 8, "scale": 0.02},
  "outputs": ["y"], "decoder": {"kind": "class_scores"}, "labels": ["red", "green", "blue"]})";

inference::RunnerModels means() {
  test::OnnxGraph graph;
  graph.inputs = {{"x", test::OnnxType::float32, {1, 3, 8, 8}}};
  graph.outputs = {{"y", test::OnnxType::float32, {1, 3, 1, 1}}};
  graph.nodes = {{"GlobalAveragePool", {"x"}, {"y"}, "", {}, {}}};
  std::vector<inference::ModelFile> files;
  files.push_back({inference::read_manifest(kManifest).value(), test::onnx_file(graph)});
  return {std::move(files), inference::Device::cpu};
}

media::DecodedFrame plain(std::array<std::uint8_t, 3> colour) {
  media::DecodedFrame frame;
  frame.picture.reset(av_frame_alloc());
  frame.picture->format = AV_PIX_FMT_RGB24;
  frame.picture->width = frame.width = 320;
  frame.picture->height = frame.height = 160;
  if (av_frame_get_buffer(frame.picture.get(), 0) != 0) {
    throw std::bad_alloc{};
  }
  for (int y = 0; y < 160; ++y) {
    for (int x = 0; x < 320 * 3; ++x) {
      frame.picture->data[0][y * frame.picture->linesize[0] + x] =
          colour[static_cast<std::size_t>(x) % 3];
    }
  }
  return frame;
}

TEST(Classify, SaysWhatFitsBest) {
  const auto pipeline = make_pipeline();
  const auto models = means();
  const auto params =
      pipeline->resolve({{"pipeline", "classify"}}, {1},
                        inference::ModelCatalogue{{inference::read_manifest(kManifest).value()}});
  ASSERT_TRUE(params) << params.error().detail;
  const auto task = pipeline->open(*params, models);
  const auto result = task->new_worker()->work(plain({100, 150, 20}));
  const auto frame = json::parse(result.json);
  const auto& found = frame.at("objects").as_array();
  ASSERT_EQ(found.size(), 2U) << result.json;  // blue is below 0.2
  const double sum = std::exp(2) + std::exp(3) + std::exp(0.4);
  EXPECT_EQ(found[0].at("label").as_string(), "green");
  EXPECT_NEAR(found[0].at("confidence").to_number<double>(), std::exp(3) / sum, 2e-3);
  EXPECT_EQ(found[1].at("label").as_string(), "red");
  EXPECT_NEAR(found[1].at("confidence").to_number<double>(), std::exp(2) / sum, 2e-3);
  EXPECT_EQ(json::value_to<std::vector<double>>(found[0].at("box")),
            (std::vector<double>{0, 0, 320, 160}));
  EXPECT_EQ(result.tally, (std::map<std::string, std::int64_t>{{"green", 1}, {"red", 1}}));
  EXPECT_FALSE(result.jpeg.empty());
}

// The installation has none until somebody brings one.
TEST(Classify, NeedsAModel) {
  const auto params =
      make_pipeline()->resolve({{"pipeline", "classify"}}, {1}, inference::ModelCatalogue{});
  ASSERT_FALSE(params);
  EXPECT_EQ(params.error().fields.at(0).pointer, "/params/pipeline");
}

}  // namespace
}  // namespace infernode::classify
