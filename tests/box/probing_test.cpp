// Goal: looking into videos is shared fairly, ends when nobody waits, and is told by an upload's
// state when it takes long; whoever dies meanwhile, a video is there once and paid for once.
// Method: the real server with "videos" that keep a probe busy.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "core/clock.hpp"
#include "testing/test_server.hpp"

namespace infernode::test {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

const std::map<std::string, std::string> kComeBack{{"Prefer", "wait=5, respond-async"}};

class Probing : public testing::Test {
protected:
  Probing()
      : server_{{{"INFERNODE_UPLOAD_WAIT_SECONDS", "1"}, {"INFERNODE_WORKERS", "0"}},
                {INFERNODE_ESCAPING_BINARY}},
        user_{server_} {
    std::ofstream{slow_} << "ESCAPE sleep\n";
  }
  http::ClientResponse upload(TestUser& user, const std::string& dataset, const fs::path& file,
                              const std::map<std::string, std::string>& headers = {}) {
    return user.client().upload("/api/v1/datasets/" + dataset + "/videos", file, "", headers);
  }
  json::object state(TestUser& user, const http::ClientResponse& answer) {
    return user.call(200, "GET", answer.headers.at("location").substr(7)).as_object();
  }
  json::object wait_for_outcome(TestUser& user, const http::ClientResponse& answer) {
    json::object upload;
    wait_until("the upload's outcome", [&] {
      upload = state(user, answer);
      return upload.at("state").as_string() != "probing";
    });
    return upload;
  }
  int runners() const {
    std::ifstream children{fmt::format("/proc/{0}/task/{0}/children", server_.pid())};
    int count = 0;
    for (std::string pid; children >> pid;) {
      std::ifstream line{"/proc/" + pid + "/cmdline"};
      const std::string words{std::istreambuf_iterator<char>{line}, {}};
      count += words.find("runner") != std::string::npos ? 1 : 0;
    }
    return count;
  }
  std::string count(const std::string& table) {
    return server_.value("SELECT count(*) FROM \"" + table + "\"");
  }

  TestServer server_;
  TestUser user_;
  fs::path slow_ = server_.folder() / "slow.mp4";
};

TEST_F(Probing, IsToldByTheUploadsStateToWhoComesBack) {
  const auto dataset = user_.create_dataset("later");
  auto headers = kComeBack;
  headers["Idempotency-Key"] = "once";
  const auto first = upload(user_, dataset, kClip, headers);
  ASSERT_EQ(first.status, 202) << first.body;
  const auto again = upload(user_, dataset, kClip, headers);
  EXPECT_EQ(again.status, 202);
  EXPECT_EQ(again.headers.at("location"), first.headers.at("location"));
  const auto outcome = wait_for_outcome(user_, first);
  EXPECT_EQ(outcome.at("state").as_string(), "accepted");
  EXPECT_EQ(outcome.at("frame_count"), 120);
  EXPECT_EQ(outcome.at("cost"), 0.12);
  const auto video = json::value_to<std::string>(outcome.at("video_ids").at(0));
  EXPECT_EQ(integer(user_.call(200, "GET", "/videos/" + video), "frame_count"), 120);
  EXPECT_EQ(user_.balance().to_string(), "99.880");
  EXPECT_EQ(count("Videos"), "1");
  EXPECT_EQ(count("Blobs"), "1");
  // Nobody else's.
  TestUser other{server_};
  other.call(404, "GET", first.headers.at("location").substr(7));
}

TEST_F(Probing, RefusesLaterInTheSameWords) {
  const auto dataset = user_.create_dataset("refused");
  std::ofstream{slow_} << "no video at all";
  const auto waited = upload(user_, dataset, slow_);
  EXPECT_EQ(waited.status, 415);
  const auto later = upload(user_, dataset, slow_, kComeBack);
  ASSERT_EQ(later.status, 202);
  const auto outcome = wait_for_outcome(user_, later);
  EXPECT_EQ(outcome.at("state").as_string(), "refused");
  auto expected = json::parse(waited.body).as_object();
  auto problem = outcome.at("problem").as_object();
  expected.erase("instance");
  problem.erase("instance");
  EXPECT_EQ(problem, expected);
  EXPECT_EQ(user_.balance().to_string(), "100.000");
  wait_until("its bytes to be let go", [&] { return count("Blobs") == "0"; });
}

// E6: one that takes long is answered in time, and goes on.
TEST_F(Probing, ThatTakesLongIsAnsweredMeanwhile) {
  const auto dataset = user_.create_dataset("slow");
  const auto answer = upload(user_, dataset, slow_);
  ASSERT_EQ(answer.status, 202) << answer.body;
  EXPECT_EQ(state(user_, answer).at("state").as_string(), "probing");
  EXPECT_EQ(runners(), 1);
}

TEST_F(Probing, EndsWhenTheClientGoes) {
  server_.stop();
  server_.set("INFERNODE_UPLOAD_WAIT_SECONDS", "60");
  server_.start();
  user_.connect(server_);
  const auto dataset = user_.create_dataset("gone");
  const auto curl = run_process(
      {"curl", "-s", "--max-time", "2", "-H", "Authorization: Bearer " + user_.token(), "-F",
       "file=@" + slow_.string(),
       fmt::format("http://127.0.0.1:{}/api/v1/datasets/{}/videos", server_.port(), dataset)});
  EXPECT_EQ(curl.status, 28) << curl.output;  // its time was up
  wait_until("the runner to end", [&] { return runners() == 0; });
  wait_until("the bytes to be let go", [&] { return count("Blobs") == "0"; });
  EXPECT_EQ(count("Uploads"), "0");
}

// B1: two places of four at most are one user's.
TEST_F(Probing, LeavesRoomForOthers) {
  const auto dataset = user_.create_dataset("many");
  for (int i = 0; i < 6; ++i) {
    ASSERT_EQ(upload(user_, dataset, slow_, kComeBack).status, 202);
  }
  wait_until("two to be looked into", [&] { return runners() == 2; });
  TestUser other{server_};
  const auto theirs = other.create_dataset("mine");
  const auto started = std::chrono::steady_clock::now();
  EXPECT_EQ(upload(other, theirs, kClip).status, 201);
  std::printf("another's upload took %.2f s\n", seconds_since(started));
  // Its runner may outlive the answer by a moment.
  wait_until("the other's runner to end", [&] { return runners() == 2; });
}

TEST_F(Probing, IsGoneOnWithWhenTheServerDies) {
  const auto dataset = user_.create_dataset("survives");
  const auto hopeless = upload(user_, dataset, slow_, kComeBack);
  ASSERT_EQ(hopeless.status, 202);
  server_.kill();
  server_.become({});  // whose runners look at it as at any file
  server_.start();
  user_.connect(server_);
  const auto outcome = wait_for_outcome(user_, hopeless);
  EXPECT_EQ(outcome.at("state").as_string(), "refused");
  // Killed right after the answer, whenever that is.
  const auto clip = upload(user_, dataset, kClip, kComeBack);
  ASSERT_EQ(clip.status, 202);
  server_.kill();
  server_.start();
  user_.connect(server_);
  EXPECT_EQ(wait_for_outcome(user_, clip).at("state").as_string(), "accepted");
  EXPECT_EQ(count("Videos"), "1");
  EXPECT_EQ(user_.balance().to_string(), "99.880");
}

}  // namespace
}  // namespace infernode::test
