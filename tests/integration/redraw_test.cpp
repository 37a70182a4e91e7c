// Goal: what a job found is drawn again over HTTP, and only as its owner may and as it can be.
// Method: the real server, worker, clip and model.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>

#include "core/json.hpp"
#include "core/process.hpp"
#include "testing/ffmpeg.hpp"
#include "testing/test_server.hpp"

namespace infernode::test {
namespace {

namespace json = boost::json;

TEST(Redraw, CountsInZonesWithoutInferenceAndWithoutCharge) {
  TestServer server;
  TestUser user{server};
  const auto footage = user.with_footage("clip");
  const json::object request{
      {"video_ids", json::array{footage.video}},
      {"params", {{"pipeline", "detect"}, {"track", true}, {"frame_step", 4}, {"images", false}}}};
  const auto job = text(user.call(201, "POST", "/jobs", request).at("jobs").at(0), "id");
  ASSERT_EQ(text(user.wait_for_end(job), "status"), "COMPLETED");
  const auto balance = user.call(200, "GET", "/users/me").at("tokens");

  const json::object changes{{"zones", {{{"name", "middle"}, {"line", {{384, 0}, {384, 576}}}}}},
                             {"colours", {{"person", "#ff8000"}}},
                             {"images", true},
                             {"crops", true}};
  const auto made = user.call(201, "POST", "/jobs/" + job + "/redraw", changes);
  EXPECT_EQ(made.at("cost").to_number<double>(), 0);
  const auto again = text(made, "id");
  ASSERT_EQ(text(user.wait_for_end(again), "status"), "COMPLETED");
  const auto result = user.call(200, "GET", "/jobs/" + again + "/result");
  EXPECT_TRUE(result.at_pointer("/summary/zones/middle").is_object());
  EXPECT_EQ(result.at_pointer("/params/redraw/job_id").as_string(), job);
  EXPECT_EQ(user.send("GET", "/jobs/" + again + "/images/4").status, 200);
  EXPECT_EQ(user.send("GET", "/jobs/" + job + "/images/4").status, 404);
  EXPECT_EQ(user.call(200, "GET", "/users/me").at("tokens"), balance);

  // Each object of the JSON is an image of its own.
  const TemporaryFolder folder;
  const auto zip = (folder.path() / "images.zip").string();
  ASSERT_EQ(user.client().download("/api/v1/jobs/" + again + "/images", zip).status, 200);
  std::string names;
  for (const auto& frame : result.at("frames").as_array()) {
    const auto number = frame.at("frame").to_number<int>();
    names += fmt::format("{:06}.jpg\n", number);
    for (std::size_t i = 0; i < frame.at("objects").as_array().size(); ++i) {
      names += fmt::format("crops/{:06}-{:03}.jpg\n", number, i);
    }
  }
  EXPECT_EQ(run_process({"unzip", "-Z1", zip}).output, names);
  EXPECT_EQ(run_process({"unzip", "-tq", zip}).status, 0);

  const auto filmed =
      text(user.call(201, "POST", "/jobs/" + job + "/redraw", json::object{{"video", true}}), "id");
  ASSERT_EQ(text(user.wait_for_end(filmed), "status"), "COMPLETED");
  const auto video = user.send("GET", "/jobs/" + filmed + "/video");
  EXPECT_EQ(video.status, 200);
  EXPECT_EQ(video.body.substr(4, 4), "ftyp");
  EXPECT_EQ(user.send("GET", "/jobs/" + job + "/video").status, 404);
  EXPECT_EQ(TestUser{server}.send("GET", "/jobs/" + filmed + "/video").status, 404);

  const std::vector<std::pair<json::object, std::string>> wrong{
      {{{"confidence", 0.1}}, "/confidence"},
      {{{"confidence", "much"}}, "/confidence"},
      {{{"confidence", nullptr}}, "/confidence"},
      {{{"anonymize", "hide"}}, "/anonymize"},
      {{{"classes", {"unicorn"}}}, "/classes/0"},
      {{{"colours", {{"person", "red"}}}}, "/colours/person"},
      {{{"model", "other"}}, "/model"},
      {{{"frame_step", 1}}, "/frame_step"},
      {{{"zones", {{{"name", "a"}}}}}, "/zones/0"},
      {{{"zones", 7}}, "/zones"},
      {{{"anonymize", "fill"}, {"crops", true}}, "/crops"}};
  for (const auto& [body, pointer] : wrong) {
    const auto answer = user.call(422, "POST", "/jobs/" + job + "/redraw", body);
    EXPECT_EQ(answer.at("errors").at(0).at("pointer").as_string(), pointer) << pointer;
  }
  const auto aborted = text(user.call(201, "POST", "/jobs", request).at("jobs").at(0), "id");
  user.call(200, "POST", "/jobs/" + aborted + "/abort");
  EXPECT_EQ(user.send("POST", "/jobs/" + aborted + "/redraw", "{}").status, 409);
  TestUser other{server};
  EXPECT_EQ(other.send("POST", "/jobs/" + job + "/redraw", "{}").status, 404);
  user.call(204, "DELETE", "/jobs/" + job);
  EXPECT_EQ(user.send("POST", "/jobs/" + job + "/redraw", "{}").status, 404);
  // One that was drawn stands by itself.
  EXPECT_EQ(user.send("GET", "/jobs/" + again + "/images/4").status, 200);
}

// The clip with a tone, drawn with the tone and without it.
TEST(Redraw, KeepsTheSoundIfAskedTo) {
  TestServer server;
  TestUser user{server};
  const TemporaryFolder folder;
  const auto film = run_ffmpeg("-i " INFERNODE_SOURCE_DIR
                               "/examples/street.mp4 -f lavfi -i sine=duration=9 -t 2 -c:v copy "
                               "-c:a aac",
                               (folder.path() / "film.mp4").string());
  const auto upload = user.upload(user.create_dataset("films"), film);
  ASSERT_EQ(upload.status, 201) << upload.body;
  const json::object params{{"pipeline", "detect"}, {"end_frame", 15}, {"images", false}};
  json::object request{{"video_ids", {text(json::parse(upload.body), "id")}}, {"params", params}};
  request.at("params").as_object().emplace("sound", true);
  const auto refused = user.call(422, "POST", "/jobs", request);
  EXPECT_EQ(refused.at_pointer("/errors/0/pointer").as_string(), "/params/sound");
  request.at("params").as_object().emplace("video", true);
  const auto job = text(user.call(201, "POST", "/jobs", request).at("jobs").at(0), "id");
  ASSERT_EQ(text(user.wait_for_end(job), "status"), "COMPLETED");
  const auto again = text(
      user.call(201, "POST", "/jobs/" + job + "/redraw", json::object{{"sound", false}}), "id");
  ASSERT_EQ(text(user.wait_for_end(again), "status"), "COMPLETED");

  const auto result = user.call(200, "GET", "/jobs/" + job + "/result");
  EXPECT_EQ(json_text(result.at_pointer("/summary/sound")),
            R"({"kept":true,"codec":"aac","left_out":0})");
  const auto silent = user.call(200, "GET", "/jobs/" + again + "/result");
  EXPECT_FALSE(silent.at("summary").as_object().contains("sound"));
  const auto streams = [&](const std::string& id) {
    const auto file = (folder.path() / id).string();
    std::ofstream{file, std::ios::binary} << user.send("GET", "/jobs/" + id + "/video").body;
    return run_process({"ffprobe", "-v", "error", "-show_entries", "stream=codec_name", "-of",
                        "csv=p=0", file})
        .output;
  };
  EXPECT_EQ(streams(job), "h264\naac\n");
  EXPECT_EQ(streams(again), "h264\n");
}

}  // namespace
}  // namespace infernode::test
