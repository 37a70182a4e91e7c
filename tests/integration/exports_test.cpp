// Goal: others' programs read what a job's result is exported as.
// Method: a tracked job of the real server; every format read by tests/integration/read_exports.py,
// with the Python that Debian packages libraries for.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <fstream>

#include "core/json.hpp"
#include "testing/test_server.hpp"

namespace infernode::test {
namespace {

namespace json = boost::json;

TEST(Exporting, OthersReadEveryFormat) {
  TestServer server;
  TestUser user{server};
  const auto footage = user.with_footage("clip");
  const json::object request{
      {"video_ids", json::array{footage.video}},
      {"params", json::object{{"pipeline", "detect"}, {"track", true}, {"frame_step", 2}}}};
  const auto job = text(user.call(201, "POST", "/jobs", request).at("jobs").at(0), "id");
  ASSERT_EQ(text(user.wait_for_end(job), "status"), "COMPLETED");
  const TemporaryFolder folder;
  const auto keep = [&](const std::string& query, const std::string& file) {
    const auto answer = user.send("GET", "/jobs/" + job + "/result" + query);
    EXPECT_EQ(answer.status, 200) << query;
    std::ofstream{folder.path() / file, std::ios::binary} << answer.body;
  };
  keep("", "result.json");
  for (const auto* format : {"coco", "yolo", "mot", "cvat", "labelstudio", "csv", "webvtt"}) {
    keep(std::string{"?format="} + format, format);
  }
  const std::string command = "/usr/bin/python3 " INFERNODE_SOURCE_DIR
                              "/tests/integration/read_exports.py " +
                              folder.path().string();
  const int status = std::system(command.c_str());  // NOLINT(cert-env33-c): our own script
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);

  EXPECT_EQ(user.send("GET", "/jobs/" + job + "/result?format=pdf").status, 422);
  TestUser other{server};
  EXPECT_EQ(other.send("GET", "/jobs/" + job + "/result?format=csv").status, 404);
}

}  // namespace
}  // namespace infernode::test
