// Goal: who stands still for a while, worker or database, harms nobody, and everything goes on by
// itself afterwards.
// Method: SIGSTOP and SIGCONT to the real processes, past a lease, past the database's pulse.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "core/digest.hpp"
#include "core/json.hpp"
#include "testing/test_server.hpp"

namespace infernode::test {
namespace {

namespace json = boost::json;

std::string status_line(pid_t pid, const std::string& name) {
  std::ifstream in{"/proc/" + std::to_string(pid) + "/status"};
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(name + ":\t")) {
      return line.substr(name.size() + 2);
    }
  }
  return "";
}

std::vector<pid_t> children_of(pid_t parent) {
  std::vector<pid_t> children;
  for (const auto& entry : std::filesystem::directory_iterator{"/proc"}) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") == std::string::npos &&
        status_line(std::stoi(name), "PPid") == std::to_string(parent)) {
      children.push_back(std::stoi(name));
    }
  }
  return children;
}

std::string start(TestUser& user, const std::string& video, json::object params = {}) {
  params["pipeline"] = "detect";
  const json::object request{{"video_ids", json::array{video}}, {"params", params}};
  return text(user.call(201, "POST", "/jobs", request).at("jobs").at(0), "id");
}

void signal_all(const std::vector<pid_t>& pids, int signal) {
  for (const pid_t pid : pids) {
    ::kill(pid, signal);
  }
}

std::string zip_hash(TestUser& user, const std::string& job, const TestServer& server) {
  const auto file = server.folder() / (job + ".zip");
  EXPECT_EQ(user.client().download("/api/v1/jobs/" + job + "/images", file).status, 200);
  return sha256_of_file(file);
}

// Two worker processes beside a server without workers, on one video. One of them stands still past
// its lease in the middle of a segment: the other finishes the job, and the first, when it goes on,
// changes nothing and is charged for nothing.
TEST(Fencing, AWorkerThatStoodStillPastItsLeaseChangesNothing) {
  TestServer server{{{"INFERNODE_WORKERS", "0"}}};
  TestUser user{server};
  const auto footage = user.with_footage("fencing");
  const pid_t first = server.spawn({"worker"});
  const std::string calm = start(user, footage.video);
  ASSERT_EQ(text(user.wait_for_end(calm), "status"), "COMPLETED");

  const std::string job = start(user, footage.video);
  wait_until("a segment under way", [&] {
    return server.value(
               "SELECT count(*) FROM \"Segments\" WHERE state = 'LEASED' AND progress > 2 "
               "AND job_id = '" +
               job + "'") != "0";
  });
  auto stopped = children_of(first);
  stopped.push_back(first);
  signal_all(stopped, SIGSTOP);
  const std::string held =
      server.value("SELECT id FROM \"Segments\" WHERE state = 'LEASED' AND job_id = '" + job + "'");
  const pid_t second = server.spawn({"worker"});
  const auto ended = user.wait_for_end(job);
  signal_all(stopped, SIGCONT);
  EXPECT_EQ(text(ended, "status"), "COMPLETED");
  // The worker that goes on finds its lease lost; what it does then may take a moment.
  wait_until("the first worker to take work again", [&] {
    return server.value(
               "SELECT count(*) FROM \"Workers\" WHERE heartbeat_at > now() - interval '2 s'") ==
           "2";
  });
  EXPECT_EQ(server.value("SELECT losses FROM \"Segments\" WHERE id = " + held), "1");
  EXPECT_EQ(server.value("SELECT attempts FROM \"Segments\" WHERE id = " + held), "1");
  EXPECT_EQ(zip_hash(user, job, server), zip_hash(user, calm, server));
  EXPECT_EQ(json_text(user.call(200, "GET", "/jobs/" + job + "/result").at("frames")),
            json_text(user.call(200, "GET", "/jobs/" + calm + "/result").at("frames")));
  EXPECT_EQ(user.balance().to_string(), "99.400");
  for (const pid_t worker : {first, second}) {
    ::kill(worker, SIGTERM);
    int status = 0;
    waitpid(worker, &status, 0);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
  EXPECT_EQ(server.value("SELECT count(*) FROM \"Workers\""), "0");
}

// E1: a database that is paused gives 503 within 10 s, also to who waited already; the server is
// alive, and says that it is not ready; afterwards everything goes on by itself.
TEST(Pause, APausedDatabaseIsToldAndOvercome) {
  TestServer server;
  TestUser user{server};
  const auto footage = user.with_footage("paused");
  const std::string job = start(user, footage.video);
  user.wait_for_progress(job, 5);
  std::ifstream in{server.folder() / "data/postgres/postmaster.pid"};
  pid_t postmaster = 0;
  ASSERT_TRUE(in >> postmaster);
  auto database = children_of(postmaster);
  database.push_back(postmaster);
  signal_all(database, SIGSTOP);
  struct Continue {
    const std::vector<pid_t>& pids;
    ~Continue() { signal_all(pids, SIGCONT); }
  };
  {
    const Continue at_the_end{database};
    http::Client anyone{"127.0.0.1", server.port()};
    for (int i = 0; i < 12; ++i) {
      const auto answer = user.send("GET", "/users/me");
      EXPECT_EQ(answer.status, 503);
      EXPECT_TRUE(answer.headers.contains("retry-after"));
      EXPECT_EQ(anyone.request("GET", "/healthz").status, 200);
      EXPECT_EQ(anyone.request("GET", "/readyz").status, 503);
    }
  }
  wait_until("the server to be ready again", [&] {
    http::Client anyone{"127.0.0.1", server.port()};
    return anyone.request("GET", "/readyz").status == 200;
  });
  EXPECT_EQ(text(user.wait_for_end(job), "status"), "COMPLETED");
  EXPECT_EQ(server.value("SELECT max(attempts) FROM \"Segments\" WHERE kind = 'FRAMES'"), "1");
  EXPECT_EQ(user.balance().to_string(), "99.640");
}

}  // namespace
}  // namespace infernode::test
