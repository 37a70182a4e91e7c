// Goal: whatever dies, the job completes, its result is the same, and it is charged once.
// Method: kill the real server or its runner in the middle of a real job; compare with a job that
// nobody disturbed.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "core/clock.hpp"
#include "core/digest.hpp"
#include "core/json.hpp"
#include "core/process.hpp"
#include "testing/test_server.hpp"

namespace infernode::test {
namespace {

namespace json = boost::json;

class Chaos : public testing::Test {
protected:
  static std::string start(TestUser& user, const std::string& video) {
    const json::object request{{"video_ids", json::array{video}},
                               {"params", {{"pipeline", "detect"}}}};
    return text(user.call(201, "POST", "/jobs", request).at("jobs").at(0), "id");
  }

  struct Outcome {
    std::string frames;
    std::string images;  // hash of the ZIP
  };
  Outcome outcome_of(TestUser& user, const std::string& job) {
    Outcome outcome;
    outcome.frames = json_text(user.call(200, "GET", "/jobs/" + job + "/result").at("frames"));
    const auto zip = folder_.path() / "images.zip";
    EXPECT_EQ(user.client().download("/api/v1/jobs/" + job + "/images", zip).status, 200);
    EXPECT_EQ(run_process({"unzip", "-tq", zip.string()}).status, 0);
    outcome.images = sha256_of_file(zip);
    return outcome;
  }

  static void expect_sound(const TestServer& server, const std::string& job) {
    EXPECT_EQ(server.value(R"(SELECT count(*) FROM "LedgerEntries" WHERE job_id = ')" + job + "'"),
              "1");
    EXPECT_EQ(
        server.value(R"(SELECT count(*) FROM "Results" WHERE "inferenceJob_id" = ')" + job + "'"),
        "1");
    EXPECT_EQ(server.value(R"(SELECT count(*) FROM "Users" AS u WHERE u."tokens" <>
                              (SELECT sum("amount") FROM "LedgerEntries" WHERE "user_id" = u."id"))"),
              "0");
  }

  TemporaryFolder folder_;
};

TEST_F(Chaos, AServerKilledInTheMiddleOfAJobLosesNothing) {
  TestServer server;
  auto user = std::make_unique<TestUser>(server);
  const auto footage = user->with_footage("killed");
  const std::string calm = start(*user, footage.video);
  ASSERT_EQ(text(user->wait_for_end(calm), "status"), "COMPLETED");
  const Outcome expected = outcome_of(*user, calm);

  const std::string job = start(*user, footage.video);
  user->wait_for_progress(job, 10);
  server.kill();
  server.start();
  const auto login =
      json::serialize(json::object{{"email", user->email()}, {"password", "a good password"}});
  http::Client client{"127.0.0.1", server.port()};
  const auto answer = client.request("POST", "/api/v1/auth/login", login);
  ASSERT_EQ(answer.status, 200) << answer.body;
  client.set_token(text(json::parse(answer.body), "token"));
  std::string status;
  for (int i = 0; i < 600 && status != "COMPLETED" && status != "FAILED"; ++i) {
    status = text(json::parse(client.request("GET", "/api/v1/jobs/" + job).body), "status");
    std::this_thread::sleep_for(std::chrono::milliseconds{100});
  }
  ASSERT_EQ(status, "COMPLETED");
  const auto result = json::parse(client.request("GET", "/api/v1/jobs/" + job + "/result").body);
  EXPECT_EQ(json_text(result.at("frames")), expected.frames);
  const auto zip = folder_.path() / "after.zip";
  ASSERT_EQ(client.download("/api/v1/jobs/" + job + "/images", zip).status, 200);
  EXPECT_EQ(sha256_of_file(zip), expected.images);
  expect_sound(server, job);
  EXPECT_EQ(json_text(json::parse(client.request("GET", "/api/v1/users/me").body).at("tokens")),
            "99.4");
}

// The runner is the child that opens untrusted bytes; its death costs one attempt of one segment.
TEST_F(Chaos, ARunnerKilledInTheMiddleOfASegmentCostsOneAttempt) {
  TestServer server;
  TestUser user{server};
  const auto footage = user.with_footage("runner");
  const std::string job = start(user, footage.video);
  user.wait_for_progress(job, 5);
  int killed = 0;
  for (const auto& entry : std::filesystem::directory_iterator{"/proc"}) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) {
      continue;
    }
    std::ifstream stat{entry.path() / "status"};
    const std::string status{std::istreambuf_iterator<char>{stat}, {}};
    if (status.find("\nPPid:\t" + std::to_string(server.pid()) + "\n") != std::string::npos &&
        ::kill(std::stoi(name), SIGKILL) == 0) {
      ++killed;
    }
  }
  ASSERT_GT(killed, 0);
  const auto ended = user.wait_for_end(job);
  EXPECT_EQ(text(ended, "status"), "COMPLETED") << json_text(ended);
  EXPECT_EQ(server.value("SELECT max(attempts) FROM \"Segments\" WHERE job_id = '" + job +
                         "' AND kind = 'FRAMES'"),
            "2");
  expect_sound(server, job);
}

TEST_F(Chaos, AStoppedServerGivesItsWorkBack) {
  TestServer server;
  TestUser user{server};
  const auto footage = user.with_footage("stopped");
  const std::string job = start(user, footage.video);
  user.wait_for_progress(job, 5);
  EXPECT_EQ(server.stop(), 0);
  server.start();
  for (int i = 0; i < 300 && server.value("SELECT status FROM \"InferenceJobs\"") != "COMPLETED";
       ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds{100});
  }
  EXPECT_EQ(server.value("SELECT status FROM \"InferenceJobs\""), "COMPLETED");
  expect_sound(server, job);
}

// Long before its lease ends, and before the worker itself has ended.
TEST_F(Chaos, AStoppedWorkerGivesItsSegmentBackAtOnce) {
  TestServer server{{{"INFERNODE_WORKERS", "0"}, {"INFERNODE_LEASE_SECONDS", "60"}}};
  TestUser user{server};
  const auto footage = user.with_footage("stopped");
  const auto worker = server.spawn({"worker"});
  const std::string job = start(user, footage.video);
  user.wait_for_progress(job, 5);
  const auto leased = [&] {
    return server.value("SELECT count(*) FROM \"Segments\" WHERE state = 'LEASED'");
  };
  wait_until("work on a segment", [&] { return leased() == "1"; });
  const auto begin = std::chrono::steady_clock::now();
  ::kill(worker, SIGTERM);
  wait_until("the segment to be free", [&] { return leased() == "0"; });
  fmt::print("given back after {:.3f} s\n", seconds_since(begin));
  ::waitpid(worker, nullptr, 0);
  EXPECT_EQ(server.value("SELECT sum(losses) FROM \"Segments\""), "0");
  const auto next = server.spawn({"worker"});
  const auto ended = user.wait_for_end(job);
  EXPECT_EQ(text(ended, "status"), "COMPLETED");
  EXPECT_EQ(integer(ended, "attempt"), 1);
  ::kill(next, SIGTERM);
  ::waitpid(next, nullptr, 0);
}

// Every connection cut under the running server and worker, as a restart of PostgreSQL would.
TEST_F(Chaos, LostDatabaseConnectionsAreMadeAgain) {
  TestServer server;
  TestUser user{server};
  const auto footage = user.with_footage("restart");
  const std::string job = start(user, footage.video);
  user.wait_for_progress(job, 5);
  server.sql(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = "
      "'infernode'");
  for (int i = 0; i < 300 && server.value("SELECT status FROM \"InferenceJobs\"") != "COMPLETED";
       ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds{100});
  }
  EXPECT_EQ(text(user.wait_for_end(job), "status"), "COMPLETED");
  expect_sound(server, job);
}

}  // namespace
}  // namespace infernode::test
