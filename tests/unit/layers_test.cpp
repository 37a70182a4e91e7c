// Goal: arrows between rooms and layers go one way (see docs/architecture.md).
// Method: read every #include "..." under src and check it against the rules; then check the check
// itself with an arrow that runs back.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>

namespace {

namespace fs = std::filesystem;

const std::set<std::string> kFeatures{"accounts",    "audit",  "credits", "datasets",
                                      "idempotency", "videos", "jobs",    "results"};

// What a room that is no feature may include, besides itself.
const std::map<std::string, std::set<std::string>> kRooms{
    {"core", {}},
    {"db", {"core"}},
    {"http", {"core"}},
    {"energy", {"core"}},
    {"media", {"core"}},
    {"inference", {"core", "media"}},
    {"runner", {"core", "media", "inference"}},
    {"blobs", {"core", "db"}}};

int layer_of(const std::string& file) {
  const std::vector<std::string> suffixes{"_dao.", "_repository.", "_service.", "_controller."};
  for (std::size_t i = 0; i < suffixes.size(); ++i) {
    if (file.find(suffixes[i]) != std::string::npos) {
      return static_cast<int>(i) + 1;
    }
  }
  return 0;  // values
}

// Why `file` must not include `included` (both relative to src); empty when it may.
std::string objection(const std::string& file, const std::string& included) {
  const std::string from = file.substr(0, file.find('/'));
  const std::string to = included.substr(0, included.find('/'));
  if (from == "main.cpp" || from == "cli") {
    return "";  // wires everything
  }
  if (to == "cli") {
    return "only main.cpp includes cli";
  }
  if (const auto room = kRooms.find(from); room != kRooms.end()) {
    return from == to || room->second.contains(to) ? "" : from + " must not know " + to;
  }
  const int from_layer = layer_of(file);
  const int to_layer = layer_of(included);
  if (from == "worker") {
    const bool hidden = kFeatures.contains(to) && (to_layer == 1 || to_layer == 2 || to_layer == 4);
    return hidden || to == "http" ? "worker uses services only" : "";
  }
  if (!kFeatures.contains(from)) {
    return "unknown room " + from;
  }
  if (to == "worker" || to == "runner") {
    return "features do not know " + to;
  }
  if (to == "http" && from_layer != 4 && file.find("upload") == std::string::npos) {
    return "only controllers know http";
  }
  if (kFeatures.contains(to) && from != to && (to_layer == 1 || to_layer == 2 || to_layer == 4)) {
    return "of another feature only the service may be used";
  }
  if (from == to && from_layer != 0 && to_layer > from_layer) {
    return "the arrow between layers runs back";
  }
  if (from == to && from_layer == 4 && to_layer != 0 && to_layer < 3) {
    return "a controller uses its service, not what lies below";
  }
  return "";
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
  EXPECT_NE(objection("worker/worker.cpp", "jobs/job_repository.hpp"), "");
  EXPECT_EQ(objection("jobs/job_service.cpp", "credits/credit_service.hpp"), "");
}

// SQL for tables stands in *_dao.cpp alone (db/ has its own for migrations and transactions).
TEST(Layers, SqlStandsInDaosOnly) {
  const std::regex sql{"\\b(SELECT|INSERT INTO|UPDATE|DELETE FROM)\\b"};
  for (const auto& entry : fs::recursive_directory_iterator(INFERNODE_SOURCE_DIR "/src")) {
    const std::string name = entry.path().string();
    if (!entry.is_regular_file() || name.find("_dao.cpp") != std::string::npos ||
        name.find("/src/db/") != std::string::npos) {
      continue;
    }
    std::ifstream in{entry.path()};
    const std::string text{std::istreambuf_iterator<char>{in}, {}};
    EXPECT_FALSE(std::regex_search(text, sql)) << name;
  }
}

}  // namespace
