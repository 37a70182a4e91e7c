// Goal: each video that appears in a folder is uploaded once, worked on once, and gets its results,
// however often the program or the server is killed.
// Method: the real server and `infernode watch`, killed while it works.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <thread>

#include "core/json.hpp"
#include "testing/file_source.hpp"
#include "testing/test_server.hpp"

namespace infernode::test {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

class WatchedFolder : public testing::Test {
protected:
  WatchedFolder() {
    write("params.json", R"({"pipeline": "detect", "end_frame": 20})");
    const json::object wanted{{"name", "camera"}, {"scopes", {"read", "upload", "jobs"}}};
    key_ = text(user_.call(201, "POST", "/users/me/keys", wanted), "key");
    write("key", key_ + "\n");
    fs::create_directories(folder());
  }

  fs::path folder() const { return own_.path() / "folder"; }
  void write(const std::string& name, const std::string& content) const {
    std::ofstream{own_.path() / name, std::ios::binary} << content;
  }
  std::vector<std::string> line(std::vector<std::string> more = {}) const {
    std::vector<std::string> all{"watch",     folder().string(),
                                 "--dataset", "camera 1",
                                 "--params",  (own_.path() / "params.json").string(),
                                 "--key",     (own_.path() / "key").string(),
                                 "--server",  fmt::format("http://localhost:{}", server_.port()),
                                 "--settle",  "1"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  CommandResult once() const { return server_.command(line({"--once"})); }
  std::string count(const std::string& table) const {
    return server_.value("SELECT count(*) FROM \"" + table + "\"");
  }
  fs::path result(const std::string& video, const char* name) const {
    return folder() / (video + ".results") / name;
  }

  TestServer server_;
  TestUser user_{server_};
  TemporaryFolder own_;
  std::string key_;
};

TEST_F(WatchedFolder, IsWorkedOffOnce) {
  fs::create_directories(folder() / "today" / ".hidden");
  fs::copy_file(kClip, folder() / "today" / "clip one.MP4");
  fs::copy_file(kClip, folder() / "today" / ".hidden" / "not.mp4");
  fs::copy_file(kClip, folder() / ".part.mp4");
  write("folder/notes.txt", "no video");
  write("folder/broken.mp4", "no video either");
  fs::create_symlink(kClip, folder() / "link.mp4");
  const auto first = once();
  EXPECT_EQ(first.status, 1) << first.output;  // broken.mp4
  EXPECT_NE(first.output.find("broken.mp4: refused"), std::string::npos) << first.output;
  EXPECT_EQ(count("Videos"), "1");
  EXPECT_EQ(count("Datasets"), "1");
  const auto head = read_file(result("today/clip one.MP4", "result.json"));
  const auto document =
      json::parse(std::string_view{reinterpret_cast<const char*>(head.data()), head.size()});
  EXPECT_EQ(document.at("accounting").at("processed"), 20);
  EXPECT_GT(fs::file_size(result("today/clip one.MP4", "images.zip")), 10'000U);
  EXPECT_TRUE(fs::exists(result("broken.mp4", "error.json")));

  // Nothing is left to do; then there is one more, which replaces another.
  const auto second = once();
  EXPECT_EQ(second.status, 0) << second.output;
  EXPECT_EQ(count("InferenceJobs"), "1");
  fs::remove(folder() / "broken.mp4");
  fs::copy_file(kClip, folder() / "broken.mp4");
  EXPECT_EQ(once().status, 0);
  EXPECT_EQ(count("InferenceJobs"), "2");
  EXPECT_TRUE(fs::exists(result("broken.mp4", "result.json")));
  EXPECT_FALSE(fs::exists(result("broken.mp4", "error.json")));

  // A name that is no text; a dataset that was deleted while nobody looked.
  fs::copy_file(kClip, folder() / "\xff.mp4");
  fs::copy_file(kClip, folder() / "third.mp4");
  user_.call(204, "DELETE",
             "/datasets/" + text(user_.call(200, "GET", "/datasets").at("items").at(0), "id"));
  const auto third = once();
  EXPECT_EQ(third.status, 0) << third.output;
  EXPECT_NE(third.output.find("no UTF-8"), std::string::npos) << third.output;
  EXPECT_EQ(count("Videos"), "3");
}

TEST_F(WatchedFolder, GoesOnAfterBeingKilled) {
  constexpr int kVideos = 6;
  std::thread camera{[&] {
    const auto clip = read_file(kClip);
    for (int i = 0; i < kVideos; ++i) {
      // In pieces, as a camera writes them, each with an end of its own.
      std::ofstream out{folder() / fmt::format("{}.mp4", i), std::ios::binary};
      const auto half = static_cast<std::streamsize>(clip.size() / 2);
      out.write(reinterpret_cast<const char*>(clip.data()), half);
      out.flush();
      std::this_thread::sleep_for(std::chrono::milliseconds{400});
      out.write(reinterpret_cast<const char*>(clip.data()) + half,
                static_cast<std::streamsize>(clip.size()) - half);
      out << std::string(
                 "\0\0\0\x10"
                 "free",
                 8)
          << fmt::format("{:08}", i);
    }
  }};
  for (int kills = 0; kills < 12; ++kills) {
    const pid_t watch = server_.spawn(line());
    std::this_thread::sleep_for(std::chrono::milliseconds{300 + 170 * kills});
    kill(watch, SIGKILL);
    waitpid(watch, nullptr, 0);
    if (kills == 6) {
      server_.kill();
      server_.start();
    }
  }
  camera.join();
  const auto last = once();
  EXPECT_EQ(last.status, 0) << last.output;
  EXPECT_EQ(count("Videos"), std::to_string(kVideos));
  EXPECT_EQ(count("InferenceJobs"), std::to_string(kVideos));
  for (int i = 0; i < kVideos; ++i) {
    EXPECT_TRUE(fs::exists(result(fmt::format("{}.mp4", i), "result.json"))) << i;
  }
  user_.connect(server_);
  // 120 frames each, and 20 images.
  EXPECT_EQ(user_.balance().to_string(), "99.040");
}

TEST_F(WatchedFolder, WaitsForTokens) {
  server_.spend(user_.email(), "99.9");
  fs::copy_file(kClip, folder() / "clip.mp4");
  const auto poor = once();
  EXPECT_EQ(poor.status, 1);
  EXPECT_NE(poor.output.find("waits"), std::string::npos) << poor.output;
  EXPECT_EQ(count("Videos"), "0");
  TestUser admin{server_, TestUser::admin};
  admin.call(201, "POST", "/admin/users/" + user_.id() + "/recharge", json::object{{"tokens", 1}});
  const auto rich = once();
  EXPECT_EQ(rich.status, 0) << rich.output;
  EXPECT_EQ(count("Uploads"), "1");  // the bytes had stayed
  EXPECT_TRUE(fs::exists(result("clip.mp4", "result.json")));
}

TEST_F(WatchedFolder, SaysWhatIsWrongBeforeAnythingIsPaid) {
  fs::copy_file(kClip, folder() / "clip.mp4");
  write("params.json", R"({"pipeline": "detect", "confidence": 7})");
  auto wrong = once();
  EXPECT_EQ(wrong.status, 1);
  EXPECT_NE(wrong.output.find("confidence"), std::string::npos) << wrong.output;
  write("params.json", R"({"pipeline": "detect"})");
  write("key", "ink_no_key");
  wrong = once();
  EXPECT_EQ(wrong.status, 1);
  EXPECT_NE(wrong.output.find("refuses this key"), std::string::npos) << wrong.output;
  EXPECT_EQ(count("Uploads"), "0");
  write("key", key_);
  write("params.json", R"({"pipeline": "detect", "end_frame": 5})");
  const pid_t watch = server_.spawn(line());
  wait_until("it is at work", [&] { return count("Videos") == "1"; });
  EXPECT_NE(once().output.find("is watched already"), std::string::npos);
  kill(watch, SIGTERM);
  int status = -1;
  waitpid(watch, &status, 0);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace infernode::test
