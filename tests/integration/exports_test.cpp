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

// Two videos, one of them worked on twice: the latest result of each is in the file.
TEST(Exporting, ADatasetsLatestResultsAreOneFile) {
  TestServer server;
  TestUser user{server};
  const auto dataset = user.create_dataset("two");
  const std::string path = "/datasets/" + dataset + "/export?format=";
  EXPECT_EQ(user.send("GET", path + "csv").status, 409);
  std::vector<std::string> videos;
  for (const char* clip : {"/examples/signs.mp4", "/examples/street.mp4"}) {
    const auto uploaded = user.upload(dataset, INFERNODE_SOURCE_DIR + std::string{clip});
    videos.push_back(text(json::parse(uploaded.body), "id"));
  }
  const auto run = [&](const std::string& video, json::object params) {
    params.emplace("images", false);
    const json::object request{{"video_ids", {video}}, {"params", params}};
    const auto job = text(user.call(201, "POST", "/jobs", request).at("jobs").at(0), "id");
    ASSERT_EQ(text(user.wait_for_end(job), "status"), "COMPLETED");
  };
  run(videos[0], {{"pipeline", "text"}, {"end_frame", 3}});
  run(videos[1], {{"pipeline", "detect"}, {"end_frame", 9}});
  run(videos[1], {{"pipeline", "detect"}, {"end_frame", 2}});
  const TemporaryFolder folder;
  for (const auto* format : {"coco", "yolo", "csv", "mot", "cvat", "labelstudio", "webvtt"}) {
    const auto answer = user.send("GET", path + format);
    EXPECT_EQ(answer.status, 200) << format;
    std::ofstream{folder.path() / format, std::ios::binary} << answer.body;
  }
  const std::string command = "/usr/bin/python3 " INFERNODE_SOURCE_DIR
                              "/tests/integration/read_dataset_exports.py " +
                              folder.path().string() + " " + videos[0] + " " + videos[1];
  const int status = std::system(command.c_str());  // NOLINT(cert-env33-c): our own script
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);

  const auto signs_alone = user.send("GET", path + "csv&pipeline=text").body;
  EXPECT_NE(signs_alone.find(videos[0]), std::string::npos);
  EXPECT_EQ(signs_alone.find(videos[1]), std::string::npos);
  EXPECT_EQ(user.send("GET", path + "csv&pipeline=pose").status, 409);
  EXPECT_EQ(user.send("GET", path + "mp4").status, 422);
  const auto unnamed = user.call(422, "GET", "/datasets/" + dataset + "/export");
  EXPECT_EQ(text(unnamed.at("errors").at(0), "pointer"), "?format");
  TestUser other{server};
  EXPECT_EQ(other.send("GET", path + "csv").status, 404);
  ASSERT_EQ(user.send("DELETE", "/datasets/" + dataset).status, 204);
  EXPECT_EQ(user.send("GET", path + "csv").status, 404);
}

}  // namespace
}  // namespace infernode::test
