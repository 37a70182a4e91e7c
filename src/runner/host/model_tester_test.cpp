// Goal: a model that means harm, or is broken, is refused with a sentence, and costs bounded time
// and memory; a sound one is run. Method: files made by hand, one fault each, tried in real
// runners; a table of what came of them.
#include "runner/host/model_tester.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <random>

#include "core/clock.hpp"
#include "core/json.hpp"
#include "inference/golden.hpp"
#include "inference/manifest.hpp"
#include "testing/file_source.hpp"
#include "testing/onnx_file.hpp"

namespace infernode::runner {
namespace {

namespace json = boost::json;
using test::OnnxGraph;
using test::OnnxTensor;
using test::OnnxType;
using test::OnnxValue;

constexpr const char* kManifest = R"({
  "name": "m", "pipeline": "detect", "source": "here", "license": "MIT",
  "input": {"name": "x", "width": 8, "height": 8}, "outputs": ["y"],
  "decoder": {"kind": "top_k_boxes"}, "labels": ["person", "car"]})";

using Bytes = std::vector<std::byte>;

Bytes picture() {
  return test::read_file(INFERNODE_SOURCE_DIR "/models/walker.jpg");
}

Result<ModelFindings> try_files(const std::string& manifest, const Bytes& model, const Bytes& shown,
                                std::chrono::seconds most = {}) {
  boost::asio::io_context context;
  std::optional<Result<ModelFindings>> findings;
  std::exception_ptr failure;
  SourceReader read = [&](std::uint32_t source, std::int64_t offset,
                          std::size_t wanted) -> asio::awaitable<Bytes> {
    const auto& file = source == 0 ? model : shown;
    const auto begin = std::min(static_cast<std::size_t>(offset), file.size());
    const auto end = std::min(begin + wanted, file.size());
    co_return Bytes(file.begin() + static_cast<std::ptrdiff_t>(begin),
                    file.begin() + static_cast<std::ptrdiff_t>(end));
  };
  ModelTrial trial{manifest, static_cast<std::int64_t>(model.size()),
                   static_cast<std::int64_t>(shown.size()), 0.3};
  auto limits = trial_limits(trial);
  if (most.count() > 0) {
    limits.turns = most;
  }
  auto work = [&]() -> asio::awaitable<void> {
    findings = co_await try_model(context.get_executor(), trial, limits, read);
  };
  asio::co_spawn(context, work(), [&](const std::exception_ptr& error) { failure = error; });
  context.run();
  if (failure) {
    std::rethrow_exception(failure);
  }
  return std::move(*findings);
}

const OnnxValue kInput{"x", OnnxType::float32, {1, 3, 8, 8}};

OnnxTensor constant(const std::string& name, std::vector<std::int64_t> shape,
                    const std::vector<float>& values) {
  return {{name, OnnxType::float32, std::move(shape)}, test::floats(values), ""};
}
OnnxTensor numbers(const std::string& name, const std::vector<std::int64_t>& values) {
  return {{name, OnnxType::int64, {static_cast<std::int64_t>(values.size())}},
          test::integers(values),
          ""};
}

// Finds what is in it, whatever is shown.
OnnxGraph finding(const std::vector<float>& rows) {
  const auto count = static_cast<std::int64_t>(rows.size() / 6);
  return {{{"Identity", {"boxes"}, {"y"}, "", {}, {}}},
          {constant("boxes", {1, count, 6}, rows)},
          {kInput},
          {{"y", OnnxType::float32, {1, count, 6}}}};
}
OnnxGraph sound() {
  return finding({1, 2, 5, 6, 0.9F, 0, 0, 0, 8, 8, 0.5F, 1});
}
// y is what one operator makes of constants.
OnnxGraph computing(const std::string& op, std::vector<OnnxTensor> constants,
                    std::vector<std::int64_t> shape = {1, 1, 6},
                    std::vector<std::pair<std::string, std::int64_t>> attributes = {}) {
  std::vector<std::string> inputs;
  for (const auto& each : constants) {
    inputs.push_back(each.value.name);
  }
  return {{{op, inputs, {"y"}, "", std::move(attributes), {}}},
          std::move(constants),
          {kInput},
          {{"y", OnnxType::float32, std::move(shape)}}};
}

struct Case {
  std::string what;
  Bytes model;
  std::string manifest = kManifest;
};

Bytes bytes_of(const std::string& text) {
  const auto* start = reinterpret_cast<const std::byte*>(text.data());
  return {start, start + text.size()};
}

std::vector<Case> broken_files() {
  std::vector<Case> cases{{"empty", {}}, {"text", bytes_of("no model, but a poem\n")}};
  Bytes noise(5000);
  std::mt19937 random{5};
  for (auto& byte : noise) {
    byte = static_cast<std::byte>(random());
  }
  cases.push_back({"noise", noise});
  const auto file = test::onnx_file(sound());
  for (std::size_t part = 1; part <= 8; ++part) {
    cases.push_back(
        {fmt::format("cut after {} of 9", part),
         Bytes(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(file.size() * part / 9))});
  }
  cases.push_back({"opset of the future", test::onnx_file(sound(), 9999)});
  cases.push_back({"format of the future", test::onnx_file(sound(), 13, 9999)});
  return cases;
}

std::vector<Case> broken_graphs() {
  std::vector<Case> cases;
  const auto add = [&](std::string what, const OnnxGraph& graph) {
    cases.push_back({std::move(what), test::onnx_file(graph)});
  };
  auto graph = sound();
  graph.inputs[0].name = "other";
  add("input of another name", graph);
  graph = sound();
  graph.inputs.clear();
  add("no input", graph);
  graph = sound();
  graph.inputs.push_back({"more", OnnxType::float32, {1}});
  add("an input too many", graph);
  graph = sound();
  graph.inputs[0].shape = {3, 8, 8};
  add("input of three dimensions", graph);
  graph = sound();
  graph.inputs[0].type = OnnxType::string;
  add("input of texts", graph);
  graph = sound();
  graph.inputs[0].type = OnnxType::boolean;
  add("input of truths", graph);
  graph = sound();
  graph.inputs[0].shape = {1, 3, 16, 16};
  add("input of another size", graph);
  graph = sound();
  graph.outputs[0].name = "z";
  graph.nodes[0].outputs[0] = "z";
  add("output of another name", graph);
  graph = sound();
  graph.outputs[0].name = "nowhere";
  add("output that nothing makes", graph);
  add("output of five columns",
      computing("Identity", {constant("a", {1, 1, 5}, {1, 2, 3, 4, 5})}, {1, 1, 5}));
  add("output of two dimensions too few",
      computing("Identity", {constant("a", {6}, {1, 2, 3, 4, 5, 6})}, {6}));
  add("output of no dimensions", computing("Identity", {constant("a", {}, {1})}, {}));
  graph = computing("Identity", {{{"a", OnnxType::boolean, {1, 1, 6}}, std::string(6, '\1'), ""}});
  graph.outputs[0].type = OnnxType::boolean;
  add("output of truths", graph);
  add("operator that does not exist",
      computing("Magic", {constant("a", {1, 1, 6}, std::vector<float>(6))}));
  graph = sound();
  graph.nodes[0].domain = "com.example.custom";
  add("operator of a stranger", graph);
  graph = sound();
  graph.nodes[0].inputs[0] = "nothing";
  add("operand that is not there", graph);
  graph = sound();
  graph.nodes = {{"Identity", {"b"}, {"a"}, "", {}, {}},
                 {"Identity", {"a"}, {"b"}, "", {}, {}},
                 {"Identity", {"a"}, {"y"}, "", {}, {}}};
  add("graph in a circle", graph);
  graph = sound();
  graph.nodes.push_back(graph.nodes[0]);
  add("one name twice", graph);
  graph = sound();
  graph.constants[0].bytes.resize(7);
  add("constant of too few bytes", graph);
  graph = sound();
  graph.constants[0].value.shape = {1, std::int64_t{1} << 33, 6};
  add("constant of 200 GB, says it", graph);
  graph = sound();
  graph.constants[0].value.shape = {std::int64_t{1} << 40, std::int64_t{1} << 40, 6};
  add("constant of more than there is", graph);
  graph = sound();
  graph.constants[0].value.shape = {1, -2, 6};
  add("constant of negative size", graph);
  for (const char* elsewhere : {"../../../../etc/passwd", "/etc/passwd", "weights.bin"}) {
    graph = sound();
    graph.constants[0].external_file = elsewhere;
    add(fmt::format("constant in {}", elsewhere), graph);
  }
  return cases;
}

std::vector<Case> failing_runs() {
  std::vector<Case> cases;
  const auto add = [&](std::string what, const OnnxGraph& graph) {
    cases.push_back({std::move(what), test::onnx_file(graph)});
  };
  const float nan = std::numeric_limits<float>::quiet_NaN();
  add("nothing but NaN", finding({nan, nan, nan, nan, nan, nan}));
  add("one NaN among numbers", finding({1, 2, 5, 6, 0.9F, 0, 1, 2, 5, 6, nan, 0}));
  // What it makes depends on the picture, so that nothing is done when it is loaded.
  const auto of_picture = [](OnnxGraph graph) {
    graph.nodes.insert(graph.nodes.begin(),
                       {{"Shape", {"x"}, {"four"}, "", {}, {}},
                        {"Slice", {"four", "from", "to"}, {"one"}, "", {}, {}}});
    graph.constants.push_back(numbers("from", {0}));
    graph.constants.push_back(numbers("to", {1}));
    return graph;
  };
  auto graph = computing(
      "Reshape", {constant("a", {6}, std::vector<float>(6)), numbers("s", {1, 2, 6})}, {1, 2, 6});
  add("reshaped to another size", graph);
  graph =
      computing("Gather", {constant("a", {1, 1, 6}, std::vector<float>(6)), numbers("at", {99})},
                {1, 1, 6}, {{"axis", 1}});
  add("index out of range", graph);
  graph = of_picture(computing("ConstantOfShape", {}));
  graph.nodes.back().inputs = {"huge"};
  graph.nodes.insert(graph.nodes.end() - 1, {"Mul", {"one", "sides"}, {"huge"}, "", {}, {}});
  graph.constants.push_back(numbers("sides", {1, std::int64_t{1} << 35, 6}));
  graph.outputs[0].shape = {1, -1, 6};
  add("800 GB when it is run", graph);
  graph.constants.back() = numbers("sides", {1, std::int64_t{1} << 50, std::int64_t{1} << 50});
  add("more than can be counted", graph);
  graph = of_picture(sound());
  graph.nodes.push_back({"Sub", {"one", "one"}, {"zero"}, "", {}, {}});
  graph.nodes.push_back({"Div", {"one", "zero"}, {"never"}, "", {}, {}});
  graph.nodes.push_back({"Cast", {"never"}, {"float"}, "", {{"to", 1}}, {}});
  graph.nodes[2] = {"Identity", {"boxes"}, {"kept"}, "", {}, {}};
  graph.nodes.push_back({"Add", {"kept", "float"}, {"y"}, "", {}, {}});
  add("whole number by zero", graph);
  return cases;
}

// A loop whose condition is always true.
OnnxGraph endless() {
  OnnxGraph body{
      {{"Identity", {"go"}, {"go_on"}, "", {}, {}}, {"Identity", {"state"}, {"next"}, "", {}, {}}},
      {},
      {{"round", OnnxType::int64, {}},
       {"go", OnnxType::boolean, {}},
       {"state", OnnxType::float32, {1, 1, 6}}},
      {{"go_on", OnnxType::boolean, {}}, {"next", OnnxType::float32, {1, 1, 6}}}};
  OnnxGraph graph = sound();
  graph.constants = {constant("start", {1, 1, 6}, std::vector<float>(6)),
                     {{"true", OnnxType::boolean, {}}, std::string(1, '\1'), ""}};
  graph.nodes = {{"Loop", {"", "true", "start"}, {"y"}, "", {}, {{"body", body.to_bytes()}}}};
  graph.outputs[0].shape = {1, 1, 6};
  return graph;
}

// Prints a line of the table: what was tried, seconds, the most memory of any runner so far, and
// the answer.
void print_line(const std::string& what, double seconds, const std::string& answer) {
  rusage children{};
  getrusage(RUSAGE_CHILDREN, &children);
  std::printf("%-34s %5.2f s %5ld MiB  %s\n", what.c_str(), seconds, children.ru_maxrss / 1024,
              answer.substr(0, 160).c_str());
}

TEST(ModelTrial, RunsASoundModel) {
  const auto findings = try_files(kManifest, test::onnx_file(sound()), picture());
  ASSERT_TRUE(findings) << findings.error().detail;
  ASSERT_EQ(findings->objects.size(), 2U);
  const auto& person = findings->objects.at(0);
  EXPECT_EQ(person.at("label").as_string(), "person");
  EXPECT_EQ(person.at("confidence").to_number<double>(), 0.9);
  // The walker's picture is 320 pixels wide and high, the input 8.
  EXPECT_EQ(json::value_to<std::vector<double>>(person.at("box")),
            (std::vector<double>{40, 80, 160, 160}));
  EXPECT_EQ(findings->objects.at(1).at("label").as_string(), "car");
}

TEST(ModelTrial, RefusesWhatIsBrokenWithASentence) {
  std::vector<Case> cases = broken_files();
  for (const auto& more : {broken_graphs(), failing_runs()}) {
    cases.insert(cases.end(), more.begin(), more.end());
  }
  const auto shown = picture();
  const auto before = std::filesystem::current_path();
  for (const auto& each : cases) {
    const auto start = std::chrono::steady_clock::now();
    const auto findings = try_files(each.manifest, each.model, shown);
    EXPECT_FALSE(findings) << each.what;
    const std::string answer = findings ? "runs" : findings.error().detail;
    print_line(each.what, seconds_since(start), answer);
    EXPECT_GE(answer.size(), 10U) << each.what;
    EXPECT_EQ(answer.find("root:"), std::string::npos) << each.what;
    EXPECT_TRUE(is_utf8(answer) && !has_control_character(answer)) << each.what;
  }
  EXPECT_GE(cases.size(), 44U);
  EXPECT_EQ(std::filesystem::current_path(), before);
}

TEST(ModelTrial, EndsWhatDoesNotEnd) {
  const auto start = std::chrono::steady_clock::now();
  const auto findings =
      try_files(kManifest, test::onnx_file(endless()), picture(), std::chrono::seconds{2});
  ASSERT_FALSE(findings);
  print_line("endless loop", seconds_since(start), findings.error().detail);
  EXPECT_NE(findings.error().detail.find("longer than 2 s"), std::string::npos)
      << findings.error().detail;
}

// What a model may say of numbers is harmless.
TEST(ModelTrial, TakesNonsenseForNothing) {
  const float huge = std::numeric_limits<float>::max();
  const std::vector<std::pair<std::string, OnnxGraph>> cases{
      {"infinite boxes", finding({-INFINITY, 0, INFINITY, 9, 0.9F, 0})},
      {"a class that has no label and no score", finding({1, 2, 5, 6, 0, 2, 1, 2, 5, 6, 0.9F, -1})},
      {"boxes outside", finding({huge, huge, huge, huge, 0.9F, 0, 50, 50, 60, 60, 0.9F, 0})},
      {"boxes inside out", finding({5, 6, 1, 2, 0.9F, 0})}};
  for (const auto& [what, graph] : cases) {
    const auto start = std::chrono::steady_clock::now();
    const auto findings = try_files(kManifest, test::onnx_file(graph), picture());
    ASSERT_TRUE(findings) << what << findings.error().detail;
    EXPECT_TRUE(findings->objects.empty()) << what << json::serialize(findings->objects);
    print_line(what, seconds_since(start), "runs, and finds nothing");
  }
}

// Left out in silence they would be what is not hidden, or not counted.
TEST(ModelTrial, RefusesClassesWithoutLabelsAndScoresThatAreNone) {
  for (const auto& [graph, reason] : std::vector<std::pair<OnnxGraph, std::string>>{
           {finding({1, 2, 5, 6, 0.9F, 2}),
            "the class number 2, and its manifest's labels go from 0 to 1"},
           {finding({1, 2, 5, 6, 3.5F, 0}), "the score 3.5"}}) {
    const auto findings = try_files(kManifest, test::onnx_file(graph), picture());
    ASSERT_FALSE(findings) << reason;
    EXPECT_NE(findings.error().detail.find(reason), std::string::npos) << findings.error().detail;
  }
}

TEST(ModelTrial, RefusesAWrongManifestAndAWrongPicture) {
  const auto model = test::onnx_file(sound());
  const std::string manifest = kManifest;
  const auto with = [&](const std::string& from, const std::string& to) {
    auto changed = manifest;
    return changed.replace(changed.find(from), from.size(), to);
  };
  const std::vector<std::tuple<std::string, std::string, Bytes>> cases{
      {"labels too few",
       with("\"top_k_boxes\"}, \"labels\": [\"person\", \"car\"]",
            "\"yolo_anchor_free\"}, \"labels\": [\"person\"]"),
       picture()},
      {"another decoder", with("\"top_k_boxes\"}", "\"nanodet\", \"strides\": [8]}"), picture()},
      {"an output that is not there", with("\"y\"", "\"z\""), picture()},
      {"another layout", with("\"height\": 8", "\"height\": 8, \"layout\": \"nhwc\""), picture()},
      {"a picture that is none", manifest, bytes_of("GIF89a")},
      {"half a picture", manifest, Bytes(200, std::byte{0xff})},
      {"no picture", manifest, {}}};
  for (const auto& [what, text, shown] : cases) {
    const auto start = std::chrono::steady_clock::now();
    const auto findings = try_files(text, model, shown);
    EXPECT_FALSE(findings) << what;
    print_line(what, seconds_since(start), findings ? "runs" : findings.error().detail);
  }
}

TEST(Golden, TellsWhatDiffers) {
  inference::Golden golden;
  EXPECT_EQ(inference::golden_differences(golden, json::array{}).size(), 1U);
  golden.objects = {{"person", 0.9, {0, 0, 100, 100}}, {"car", 0.31, {200, 0, 50, 50}}};
  const auto differences = [&](const json::array& found) {
    return inference::golden_differences(golden, found);
  };
  const auto object = [](const char* label, double confidence, json::array box) {
    return json::object{{"label", label}, {"confidence", confidence}, {"box", std::move(box)}};
  };
  EXPECT_TRUE(
      differences({object("person", 0.91, {1, 0, 100, 100}), object("car", 0.3, {200, 0, 50, 50})})
          .empty());
  // What is not sure may come and go.
  EXPECT_TRUE(
      differences({object("person", 0.9, {0, 0, 100, 100}), object("dog", 0.31, {0, 0, 9, 9})})
          .empty());
  EXPECT_EQ(differences({}).size(), 1U);
  EXPECT_EQ(differences({object("person", 0.7, {0, 0, 100, 100})}).at(0),
            "person 0.900 at [0.0, 0.0, 100.0, 100.0] has the confidence 0.700");
  EXPECT_EQ(differences({object("car", 0.9, {0, 0, 100, 100})}).size(), 2U);
  EXPECT_EQ(differences({object("person", 0.9, {20, 0, 100, 100})}).size(), 2U);
}

}  // namespace
}  // namespace infernode::runner
