// Goal: when one of two workers is killed, again and again, each segment that it held is free for
// others within the lease and a second, and theirs as soon as one of them has nothing else to end;
// every result, and what it costs, is as if nobody had been killed.
// Method: two real worker processes beside a real server; SIGKILL to whichever holds a segment;
// then a new one. INFERNODE_TEST_KILLS says how often (4 unless given); the times are printed.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "core/clock.hpp"
#include "core/digest.hpp"
#include "core/json.hpp"
#include "testing/test_server.hpp"

namespace infernode::test {
namespace {

namespace json = boost::json;

constexpr int kLeaseSeconds = 10;  // the default

class KilledWorkers : public testing::Test {
protected:
  KilledWorkers() : server_{{{"INFERNODE_WORKERS", "0"}}}, user_{server_} {
    footage_ = user_.with_footage("killed");
    for (auto& worker : workers_) {
      worker = server_.spawn({"worker"});
    }
  }
  ~KilledWorkers() override {
    for (const pid_t worker : workers_) {
      ::kill(worker, SIGTERM);
      ::waitpid(worker, nullptr, 0);
    }
  }

  std::string start() {
    const json::object request{{"video_ids", json::array{footage_.video}},
                               {"params", {{"pipeline", "detect"}}}};
    return text(user_.call(201, "POST", "/jobs", request).at("jobs").at(0), "id");
  }
  std::string frames_of(const std::string& job) {
    return json_text(user_.call(200, "GET", "/jobs/" + job + "/result").at("frames"));
  }
  std::string images_of(const std::string& job) {
    const auto zip = folder_.path() / "images.zip";
    EXPECT_EQ(user_.client().download("/api/v1/jobs/" + job + "/images", zip).status, 200);
    return sha256_of_file(zip);
  }
  struct Held {
    std::string segment;
    std::string lease;
  };
  // Of frames, by the worker of this process; nothing when it holds none.
  std::optional<Held> held_by(pid_t worker) const {
    const auto rows = server_.sql(
        fmt::format("SELECT \"id\", \"lease_token\" FROM \"Segments\" WHERE \"state\" = 'LEASED' "
                    "AND \"kind\" = 'FRAMES' AND \"worker\" LIKE '%:{}:1'",
                    worker));
    return rows.empty() ? std::nullopt : std::optional{Held{rows[0][0], rows[0][1]}};
  }
  // After a kill, in seconds: when its segment was free, and when somebody had it, who may have had
  // another one to end first.
  struct Taken {
    double freed = 0;
    double claimed = 0;
  };
  // Kills the worker in this place while it holds a segment, and starts another. Nothing when the
  // segment had just ended.
  std::optional<Taken> kill(std::size_t place) {
    const pid_t worker = workers_[place];
    wait_until("a worker to hold a segment", [&] { return held_by(worker).has_value(); });
    ::kill(worker, SIGKILL);
    const auto killed_at = std::chrono::steady_clock::now();
    ::waitpid(worker, nullptr, 0);
    const auto held = held_by(worker);
    workers_[place] = server_.spawn({"worker"});
    if (!held) {
      return std::nullopt;
    }
    const auto wait_for = [&](const char* what, const char* condition) {
      wait_until(what, [&] {
        return server_.value(fmt::format("SELECT ({}) AND \"lease_token\" IS DISTINCT FROM '{}' "
                                         "FROM \"Segments\" WHERE \"id\" = {}",
                                         condition, held->lease, held->segment)) == "t";
      });
      return seconds_since(killed_at);
    };
    const double freed = wait_for("its segment to be free", "true");
    const double claimed = wait_for("its segment to be claimed elsewhere",
                                    "\"lease_token\" IS NOT NULL OR \"state\" = 'DONE'");
    return Taken{freed, claimed};
  }

  TemporaryFolder folder_;
  TestServer server_;
  TestUser user_;
  TestUser::Footage footage_;
  std::array<pid_t, 2> workers_{};
};

TEST_F(KilledWorkers, LoseNothingAndCostNothing) {
  const std::string calm = start();
  const auto undisturbed = user_.wait_for_end(calm);
  ASSERT_EQ(text(undisturbed, "status"), "COMPLETED");
  const auto frames = frames_of(calm);
  const auto images = images_of(calm);

  const char* wanted = std::getenv("INFERNODE_TEST_KILLS");
  const int kills = wanted == nullptr ? 4 : std::atoi(wanted);
  std::vector<std::string> jobs;
  std::vector<double> freed;
  std::vector<double> seconds;
  for (int i = 0; static_cast<int>(seconds.size()) < kills && i < 2 * kills; ++i) {
    // Enough work that somebody always holds some.
    while (std::stoi(server_.value(
               "SELECT count(*) FROM \"Segments\" WHERE \"state\" = 'PENDING'")) < 6) {
      jobs.push_back(start());
    }
    if (const auto taken = kill(static_cast<std::size_t>(i % 2))) {
      seconds.push_back(taken->claimed);
      freed.push_back(taken->freed);
      EXPECT_LE(taken->freed, kLeaseSeconds + 1);
    }
  }
  ASSERT_EQ(static_cast<int>(seconds.size()), kills);
  std::sort(seconds.begin(), seconds.end());
  std::sort(freed.begin(), freed.end());
  fmt::print("free after {:.2f} s (median), {:.2f} s (most)\n", freed[freed.size() / 2],
             freed.back());
  fmt::print("claimed elsewhere after {:.2f} s (median), {:.2f} s (p95), {:.2f} s (most) of {}\n",
             seconds[seconds.size() / 2], seconds[seconds.size() * 95 / 100], seconds.back(),
             seconds.size());
  for (const auto& job : jobs) {
    const auto ended = user_.wait_for_end(job);
    EXPECT_EQ(text(ended, "status"), "COMPLETED") << json_text(ended);
    EXPECT_EQ(ended.at("attempt"), undisturbed.at("attempt"));
    EXPECT_EQ(ended.at("cost"), undisturbed.at("cost"));
    EXPECT_EQ(frames_of(job), frames);
    EXPECT_EQ(images_of(job), images);
  }
  // The opening balance, the upload, and 120 images a job; nothing is held any more.
  const auto spent = 0.12 + 0.24 * static_cast<double>(jobs.size() + 1);
  EXPECT_EQ(server_.value(fmt::format("SELECT 100 - \"tokens\" = {:.3f} FROM \"Users\"", spent)),
            "t");
  EXPECT_EQ(server_.value("SELECT count(*) FROM \"Holds\" WHERE \"closed_at\" IS NULL"), "0");
  // What was lost is what the dead held, and no attempt of any job.
  EXPECT_EQ(server_.value("SELECT sum(\"losses\") FROM \"Segments\" WHERE \"kind\" = 'FRAMES'"),
            std::to_string(kills));
  EXPECT_EQ(server_.value("SELECT max(\"attempts\") FROM \"Segments\""), "1");
}

}  // namespace
}  // namespace infernode::test
