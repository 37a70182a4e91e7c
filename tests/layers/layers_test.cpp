// Goal: arrows between rooms and layers go one way (see docs/architecture.md).
// Method: read every #include "..." under src and check it against the rules; then check the check
// itself with an arrow that runs back.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <regex>
#include <set>

namespace {

namespace fs = std::filesystem;

const std::set<std::string> kFeatures{"accounts",    "audit",  "credits",  "datasets",
                                      "idempotency", "videos", "jobs",     "results",
                                      "models",      "events", "webhooks", "usage"};

// What a room that is no feature may include, besides itself. A room inside a room is named with
// its path; it may include what lies directly in the room around it.
const std::map<std::string, std::set<std::string>> kRooms{
    {"core", {}},
    {"db", {"core"}},
    {"http", {"core"}},
    {"energy", {"core"}},
    {"media", {"core"}},
    {"inference", {"core", "media"}},
    {"tracking", {"core"}},
    {"pipelines", {"core", "media", "inference", "tracking"}},
    {"runner", {"core", "media"}},
    {"runner/child", {"core", "media", "inference", "pipelines"}},
    {"runner/host", {"core", "media"}},
    {"blobs", {"core", "db"}}};

// Which features a feature knows: its own room needs none of the others. One list, without a
// circle.
const std::map<std::string, std::set<std::string>> kFeatureKnows{
    {"audit", {}},
    {"idempotency", {}},
    {"accounts", {"audit", "idempotency"}},
    {"credits", {"audit", "idempotency"}},
    {"datasets", {"audit", "idempotency"}},
    {"videos", {"credits", "datasets", "idempotency"}},
    {"jobs", {"credits", "videos", "idempotency"}},
    {"results", {"jobs"}},
    {"models", {"audit", "idempotency"}},
    {"events", {}},
    {"usage", {}},
    {"webhooks", {"idempotency"}}};

// What a feature may include that is none.
const std::set<std::string> kBelowFeatures{"core",   "db",        "blobs",    "media",
                                           "energy", "pipelines", "inference"};

// Headers that need FFmpeg or ONNX Runtime: nothing outside of the box and what is built for it
// includes them.
const std::set<std::string> kHeavy{"media/av_handles.hpp",        "media/container.hpp",
                                   "media/frame_reader.hpp",      "media/image.hpp",
                                   "media/zip_reader.hpp",        "inference/onnx_session.hpp",
                                   "inference/runner_models.hpp", "pipelines/frame_task.hpp"};

enum Layer { kValues, kDao, kRepository, kService, kController };

Layer layer_of(const std::string& file) {
  const std::vector<std::string> suffixes{"_dao.", "_repository.", "_service.", "_controller."};
  for (std::size_t i = 0; i < suffixes.size(); ++i) {
    if (file.find(suffixes[i]) != std::string::npos) {
      return static_cast<Layer>(i + 1);
    }
  }
  return kValues;
}

std::string room_of(const std::string& file) {
  const std::string room = file.substr(0, file.rfind('/'));
  return kRooms.contains(room) ? room : file.substr(0, file.find('/'));
}

// Files of a feature that speak HTTP: controllers, and what brings bodies in.
bool speaks_http(const std::string& file) {
  return layer_of(file) == kController || file.starts_with("videos/uploads/") ||
         file.starts_with("idempotency/once_routes") || file.starts_with("idempotency/request_key");
}

// Whether what a file offers to other features is a service or a value, not its statements.
bool is_private(const std::string& file) {
  return layer_of(file) == kDao || layer_of(file) == kRepository || layer_of(file) == kController;
}

std::string feature_objection(const std::string& file, const std::string& included,
                              const std::string& from, const std::string& to) {
  const Layer from_layer = layer_of(file);
  const Layer to_layer = layer_of(included);
  if (to == "http") {
    return speaks_http(file) ? "" : "only controllers know http";
  }
  if (!kFeatures.contains(to)) {
    return kBelowFeatures.contains(to) ? "" : "features do not know " + to;
  }
  if (from != to) {
    if (!kFeatureKnows.at(from).contains(to)) {
      return from + " must not know " + to;
    }
    return is_private(included) ? "of another feature only the service may be used" : "";
  }
  if (from_layer != kValues && to_layer > from_layer) {
    return "the arrow between layers runs back";
  }
  if (from_layer == kController && (to_layer == kDao || to_layer == kRepository)) {
    return "a controller uses its service, not what lies below";
  }
  return "";
}

// Why `file` must not include `included` (both relative to src); empty when it may.
std::string objection(const std::string& file, const std::string& included) {
  const std::string from = room_of(file);
  const std::string to = room_of(included);
  const bool test = file.find("_test.cpp") != std::string::npos ||
                    file.find("_pgtest.cpp") != std::string::npos || from == "testing";
  if (file == "main.cpp" || test) {
    return "";
  }
  if (to == "testing") {
    return "only tests know testing";
  }
  if (to == "cli") {
    return from == "cli" ? "" : "only main.cpp includes cli";
  }
  if (kHeavy.contains(included) && from != "media" && from != "inference" && from != "pipelines" &&
      from != "runner/child" && file != "app/app.cpp" && file != "cli/doctor.cpp" &&
      file != "cli/models.cpp") {
    return "FFmpeg and ONNX Runtime stay in the box";
  }
  if (from == "cli" || from == "app") {
    return "";  // they wire everything
  }
  if (to == "app") {
    return "only cli knows app";
  }
  if (const auto room = kRooms.find(from); room != kRooms.end()) {
    const bool around = from.starts_with(to + "/");
    return from == to || around || room->second.contains(to) ? "" : from + " must not know " + to;
  }
  if (from == "worker") {
    return (kFeatures.contains(to) && is_private(included)) || to == "http" || to == "db"
               ? "worker uses services only"
               : "";
  }
  if (!kFeatures.contains(from)) {
    return "unknown room " + from;
  }
  return feature_objection(file, included, from, to);
}

std::vector<std::pair<std::string, std::string>> includes() {
  const fs::path root = INFERNODE_SOURCE_DIR "/src";
  const std::regex pattern{"^#include \"(.+)\"$"};
  std::vector<std::pair<std::string, std::string>> found;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    if (!entry.is_regular_file()) {
      continue;
    }
    std::ifstream in{entry.path()};
    for (std::string line; std::getline(in, line);) {
      std::smatch match;
      if (std::regex_match(line, match, pattern)) {
        found.emplace_back(fs::relative(entry.path(), root).string(), match[1]);
      }
    }
  }
  return found;
}

TEST(Layers, EveryArrowGoesOneWay) {
  const auto all = includes();
  ASSERT_GT(all.size(), 200U);
  for (const auto& [file, included] : all) {
    EXPECT_EQ(objection(file, included), "") << "src/" << file << " includes " << included;
  }
}

TEST(Layers, TheCheckFindsArrowsThatRunBack) {
  EXPECT_NE(objection("core/json.cpp", "db/pool.hpp"), "");
  EXPECT_NE(objection("media/probe.cpp", "db/pool.hpp"), "");
  EXPECT_NE(objection("jobs/job_dao.cpp", "jobs/job_service.hpp"), "");
  EXPECT_NE(objection("jobs/job_service.cpp", "credits/ledger_dao.hpp"), "");
  EXPECT_NE(objection("jobs/job_controller.cpp", "jobs/job_dao.hpp"), "");
  EXPECT_NE(objection("jobs/job_ending.cpp", "http/router.hpp"), "");
  EXPECT_NE(objection("jobs/job_service.cpp", "results/result_service.hpp"), "");
  EXPECT_NE(objection("videos/video_ingest.cpp", "http/multipart.hpp"), "");
  EXPECT_NE(objection("worker/worker.cpp", "jobs/job_dao.hpp"), "");
  EXPECT_NE(objection("worker/worker.cpp", "media/frame_reader.hpp"), "");
  EXPECT_NE(objection("runner/child/runner.cpp", "blobs/blob_store.hpp"), "");
  EXPECT_NE(objection("runner/host/prober.cpp", "pipelines/pipeline.hpp"), "");
  EXPECT_NE(objection("http/router.cpp", "idempotency/idempotency.hpp"), "");
  EXPECT_NE(objection("accounts/user.hpp", "cli/commands.hpp"), "");
  EXPECT_NE(objection("core/json.cpp", "testing/test_server.hpp"), "");
  EXPECT_EQ(objection("jobs/job_service.cpp", "credits/credit_service.hpp"), "");
  EXPECT_EQ(objection("runner/child/runner.cpp", "runner/options.hpp"), "");
}

// Which feature knows which is a list without a circle.
TEST(Layers, FeaturesKnowEachOtherOneWay) {
  const std::function<bool(const std::string&, const std::string&)> reaches =
      [&](const std::string& from, const std::string& to) {
        const auto& known = kFeatureKnows.at(from);
        return known.contains(to) || std::any_of(known.begin(), known.end(), [&](const auto& next) {
                 return reaches(next, to);
               });
      };
  for (const auto& feature : kFeatures) {
    EXPECT_FALSE(reaches(feature, feature)) << feature;
  }
}

// The way of a segment knows no pipeline: their names stand in pipelines/ alone.
TEST(Layers, NoPipelineIsNamedOutsideOfItsRoom) {
  const std::regex names{"\\b(detect|Detect|detector|faces|pose|centernet|blazeface)\\b"};
  for (const char* room : {"worker", "jobs", "runner", "results", "cli", "app"}) {
    for (const auto& entry :
         fs::recursive_directory_iterator(fs::path{INFERNODE_SOURCE_DIR "/src"} / room)) {
      const std::string name = entry.path().string();
      // demo.cpp is a client of the API, and run.cpp has to have a default.
      if (!entry.is_regular_file() || name.ends_with("test.cpp") || name.ends_with("/demo.cpp") ||
          name.ends_with("/completion.cpp")) {
        continue;
      }
      std::ifstream in{entry.path()};
      const std::string text{std::istreambuf_iterator<char>{in}, {}};
      EXPECT_FALSE(std::regex_search(text, names)) << name;
    }
  }
}

// SQL for tables stands in *_dao.cpp alone (db/ has its own for migrations and transactions).
TEST(Layers, SqlStandsInDaosOnly) {
  const std::regex sql{"\\b(SELECT|INSERT INTO|UPDATE|DELETE FROM)\\b"};
  for (const auto& entry : fs::recursive_directory_iterator(INFERNODE_SOURCE_DIR "/src")) {
    const std::string name = entry.path().string();
    if (!entry.is_regular_file() || name.find("_dao.cpp") != std::string::npos ||
        name.find("/src/db/") != std::string::npos ||
        name.find("/src/testing/") != std::string::npos || name.ends_with("test.cpp")) {
      continue;
    }
    std::ifstream in{entry.path()};
    const std::string text{std::istreambuf_iterator<char>{in}, {}};
    EXPECT_FALSE(std::regex_search(text, sql)) << name;
  }
}

// GCC 12 destroys twice what a conditional, a lambda with captures or an aggregate makes inside a
// co_await expression (GCC bugs 99576 and 102051, mended in 13). It is named first, and then moved.
std::vector<std::string> hazards(const std::string& source) {
  std::vector<std::string> found;
  const std::regex hazard{R"( \? |\[[^\]]+\]\s*\(|\w\{[^}]|[(,]\s*\{)"};
  for (auto at = source.find("co_await "); at != std::string::npos;
       at = source.find("co_await ", at + 1)) {
    int depth = 0;
    auto end = at;
    for (; end < source.size() && depth >= 0 && (source[end] != ';' || depth > 0); ++end) {
      depth += source[end] == '(' || source[end] == '[' || source[end] == '{' ? 1 : 0;
      depth -= source[end] == ')' || source[end] == ']' || source[end] == '}' ? 1 : 0;
    }
    const std::string expression = source.substr(at, end - at);
    if (std::regex_search(expression, hazard)) {
      found.push_back(expression);
    }
  }
  return found;
}

TEST(Lint, NothingIsMadeInsideACoAwaitThatGcc12DestroysTwice) {
  EXPECT_EQ(hazards("x = co_await f(a ? b : c);").size(), 1U);
  EXPECT_EQ(hazards("co_await f([&](int) { return 1; });").size(), 1U);
  EXPECT_EQ(hazards("co_await f(Error{1});").size(), 1U);
  EXPECT_EQ(hazards("co_await f({a, b});").size(), 1U);
  EXPECT_EQ(hazards("T t{co_await f(a, b)}; y = c ? d : e;").size(), 0U);
  const std::regex noise{R"re(//[^\n]*|R"sql\([^)]*\)sql")re"};
  for (const auto& entry : fs::recursive_directory_iterator(INFERNODE_SOURCE_DIR "/src")) {
    const std::string name = entry.path().string();
    if (!entry.is_regular_file() || name.ends_with("test.cpp")) {
      continue;
    }
    std::ifstream in{entry.path()};
    const std::string text{std::istreambuf_iterator<char>{in}, {}};
    if (text.find("co_await") == std::string::npos) {
      continue;
    }
    for (const auto& expression : hazards(std::regex_replace(text, noise, ""))) {
      ADD_FAILURE() << name << ": " << expression;
    }
  }
}

}  // namespace
