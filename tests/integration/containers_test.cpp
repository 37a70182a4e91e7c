// Goal: what a job finds does not depend on the container that its video came in, nor on how the
// camera was held.
// Method: the example clip, encoded anew with B-frames and copied from container to container by
// ffmpeg; the real server, runner and model.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string_view>

#include "core/json.hpp"
#include "core/process.hpp"
#include "testing/file_source.hpp"
#include "testing/long_tests.hpp"
#include "testing/test_server.hpp"

namespace infernode::test {
namespace {

namespace json = boost::json;

class Containers : public testing::Test {
protected:
  std::string make(std::vector<std::string> arguments, const std::string& name) {
    const auto file = (folder_.path() / name).string();
    arguments.insert(arguments.begin(), {"ffmpeg", "-nostdin", "-v", "error", "-y"});
    arguments.push_back(file);
    const auto result = run_process(arguments);
    EXPECT_EQ(result.status, 0) << result.output;
    return file;
  }
  std::string upload(const std::string& file) {
    const auto answer = user_.upload(dataset_, file);
    EXPECT_EQ(answer.status, 201) << file << ": " << answer.body;
    return text(json::parse(answer.body), "id");
  }
  // The result's frames, without their times, which containers round.
  json::array frames_of(const std::string& video, int frame_step) {
    const json::object params{
        {"pipeline", "detect"}, {"frame_step", frame_step}, {"images", false}};
    const auto accepted = user_.call(
        201, "POST", "/jobs", json::object{{"video_ids", json::array{video}}, {"params", params}});
    const auto job = text(accepted.at("jobs").at(0), "id");
    EXPECT_EQ(text(user_.wait_for_end(job), "status"), "COMPLETED");
    auto frames = user_.call(200, "GET", "/jobs/" + job + "/result").at("frames").as_array();
    for (auto& frame : frames) {
      frame.as_object().erase("time");
    }
    return frames;
  }

  TestServer server_;
  TestUser user_{server_};
  std::string dataset_ = user_.create_dataset("containers");
  TemporaryFolder folder_;
};

// Every eighth frame, or with RUN_LONG_TESTS=1 each.
TEST_F(Containers, AllGiveTheSameObjectsInTheSameFrames) {
  const int step = long_tests_wanted() ? 1 : 8;
  for (const char* gop : {"25", "100"}) {
    const auto mp4 =
        make({"-i", kClip.string(), "-c:v", "libx264", "-preset", "fast", "-bf", "2", "-g", gop},
             fmt::format("{}.mp4", gop));
    const auto expected = frames_of(upload(mp4), step);
    EXPECT_EQ(expected.size(), static_cast<std::size_t>(120 / step));
    for (const std::string container : {"mov", "mkv", "frag.mp4", "ts", "flv", "avi"}) {
      std::vector<std::string> arguments{"-i", mp4, "-c", "copy"};
      if (container == "frag.mp4") {
        arguments.insert(arguments.end(), {"-movflags", "frag_keyframe+empty_moov"});
      }
      const auto copy = upload(make(std::move(arguments), fmt::format("{}.{}", gop, container)));
      EXPECT_EQ(integer(user_.call(200, "GET", "/videos/" + copy), "frame_count"), 120)
          << container;
      EXPECT_EQ(frames_of(copy, step), expected) << container << ", keyframes " << gop << " apart";
    }
  }
}

TEST_F(Containers, APhoneHeldSidewaysIsAnalysedUpright) {
  const auto lying =
      make({"-i", kClip.string(), "-vf", "transpose=clock", "-c:v", "libx264"}, "lying.mp4");
  const auto plain = frames_of(upload(kClip.string()), 40);
  auto bytes = read_file(lying);
  turn_mp4(bytes, 270);
  const auto file = (folder_.path() / "turned.mp4").string();
  write_file(file, bytes);
  const auto video = upload(file);
  const auto facts = user_.call(200, "GET", "/videos/" + video);
  EXPECT_EQ(integer(facts, "rotation"), 270);
  EXPECT_EQ(integer(facts, "width"), 768);
  EXPECT_EQ(integer(facts, "height"), 576);
  const auto turned = frames_of(video, 40);
  ASSERT_EQ(turned.size(), plain.size());
  for (std::size_t i = 0; i < plain.size(); ++i) {
    const auto before = plain[i].at("objects").as_array().size();
    const auto after = turned[i].at("objects").as_array().size();
    EXPECT_GE(after * 4, before * 3) << "frame " << i;  // it was encoded anew
  }
}

}  // namespace
}  // namespace infernode::test
