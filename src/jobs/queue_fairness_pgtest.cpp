// Goal: every user that has work gets its share of the segments, whoever else has how much.
// Method: a simulation. Workers that each take some seconds of simulated time for a segment claim
// by the real statements on a real database; work arrives at random and in bursts. At each claim
// every user with waiting work is owed its weight's part of one segment; what it is owed and what
// it got are compared all along.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <queue>
#include <random>

#include "jobs/segment_dao.hpp"
#include "testing/services.hpp"

namespace infernode::test {
namespace {

constexpr int kWorkers = 4;
constexpr double kLongest = 3;  // seconds that a segment takes
constexpr double kShortest = 0.5;

struct Scenario {
  const char* name;
  int users;
  bool unequal;  // weights of 1, 2 and 4
  int segments;  // of a job, on average
  int jobs;      // in all
  bool bursts;   // many users at the same moment, instead of one by one
};

struct SimulatedUser {
  std::string id;
  double weight = 1;
  int waiting = 0;
  double owed = 0;  // since it has had waiting work
  double got = 0;
  double since = 0;  // seconds: its last segment was claimed then, or its work came
};

class FairQueue : public testing::TestWithParam<Scenario> {
protected:
  void add_users(const Scenario& scenario) {
    services_.database.sql(fmt::format(
        R"(INSERT INTO "Users" (id, email, password, weight)
             SELECT gen_random_uuid(), n || '@example.com', 'x', {} FROM generate_series(1, {}) AS n;
           INSERT INTO "Datasets" (user_id, name) SELECT id, 'set' FROM "Users";
           INSERT INTO "Blobs" (id, size, sha256) SELECT id, 1, sha256('') FROM "Datasets";
           INSERT INTO "Videos" (id, dataset_id, file, name, frame_count)
             SELECT id, id, id, 'v', 1 FROM "Datasets")",
        scenario.unequal ? "1 << (n % 3)" : "1", scenario.users));
    for (const auto& row : services_.database.sql("SELECT id, weight FROM \"Users\"")) {
      by_id_[row[0]] = users_.size();
      SimulatedUser user;
      user.id = row[0];
      user.weight = std::stod(row[1]);
      users_.push_back(user);
    }
  }
  // As POST /jobs does, but for the money.
  void add_job(SimulatedUser& user, int segments, double now) {
    services_.database.sql(fmt::format(
        R"(WITH job AS (
             INSERT INTO "InferenceJobs" (dataset_id, user_id, video_id, params, images)
               SELECT id, user_id, id, '{{}}', {1} FROM "Datasets" WHERE user_id = '{0}'
             RETURNING id, user_id
           ), added AS (
             INSERT INTO "Segments" (job_id, position, user_id, lane)
               SELECT id, n, user_id, "lane_of"(ARRAY['pipeline:detect'])
                 FROM job, generate_series(1, {1}) AS n ORDER BY n
             RETURNING id, lane
           )
           SELECT "join_line"('{0}', 0::smallint, array_agg(DISTINCT lane), ARRAY[min(id) - 1], NULL) FROM added)",
        user.id, segments));
    if (user.waiting == 0) {
      user.owed = 0;
      user.got = 0;
      user.since = now;
    }
    user.waiting += segments;
  }
  // Whose segment it was; nullptr when nothing waits.
  asio::awaitable<SimulatedUser*> claim() {
    for (;;) {
      const auto claim =
          co_await segment_dao::claim(services_.pool, LeaseToken::random(), "worker",
                                      services_.worker.offers(), 1'000'000, QueueHints{});
      if (!claim) {
        co_return nullptr;
      }
      if (claim->segment) {
        std::vector<db::Command> commands;
        commands.push_back(segment_dao::find_job(claim->segment->job));
        const auto job = co_await services_.pool.execute_all(std::move(commands));
        const auto found = segment_dao::claimed_job_from(job[0]);
        co_return &users_[by_id_.at(found.value().user.to_string())];
      }
    }
  }

  Services services_;
  std::vector<SimulatedUser> users_;
  std::map<std::string, std::size_t> by_id_;
};

TEST_P(FairQueue, GivesEachUserItsShare) {
  const auto& scenario = GetParam();
  add_users(scenario);
  std::mt19937 random{42};
  std::uniform_real_distribution<double> duration{kShortest, kLongest};
  std::uniform_int_distribution<std::size_t> anybody{0, users_.size() - 1};
  std::poisson_distribution<int> length{scenario.segments - 1.0};
  std::uniform_real_distribution<double> when{0, 100};
  std::vector<std::pair<double, std::size_t>> arrivals;
  for (int i = 0; i < scenario.jobs; ++i) {
    // Each user has one at least, where there are as many.
    const auto user =
        static_cast<std::size_t>(i) < users_.size() ? static_cast<std::size_t>(i) : anybody(random);
    const double at = when(random);
    arrivals.emplace_back(scenario.bursts ? std::floor(at / 50) * 50 : at, user);
  }
  std::sort(arrivals.begin(), arrivals.end());

  std::priority_queue<double, std::vector<double>, std::greater<>> free_at;
  for (int i = 0; i < kWorkers; ++i) {
    free_at.push(0);
  }
  double lag = 0;
  double lead = 0;
  double longest_wait = 0;
  int claims = 0;
  std::size_t next = 0;
  double weights = 0;  // of all with waiting work
  for (;;) {
    double now = free_at.top();
    free_at.pop();
    for (; next < arrivals.size() && arrivals[next].first <= now; ++next) {
      auto& user = users_[arrivals[next].second];
      weights += user.waiting == 0 ? user.weight : 0;
      add_job(user, 1 + length(random), now);
    }
    SimulatedUser* served = nullptr;
    services_.database.run([&]() -> asio::awaitable<void> { served = co_await claim(); });
    if (served == nullptr) {
      EXPECT_EQ(weights, 0) << "work is left";
      if (next == arrivals.size()) {
        break;
      }
      free_at.push(arrivals[next].first);
      continue;
    }
    ++claims;
    for (auto& user : users_) {
      if (user.waiting > 0) {
        user.owed += user.weight / weights;
      }
    }
    ++served->got;
    longest_wait = std::max(longest_wait, now - served->since);
    served->since = now;
    if (--served->waiting == 0) {
      weights -= served->weight;
    }
    for (const auto& user : users_) {
      if (user.waiting > 0) {
        lag = std::max(lag, user.owed - user.got);
        lead = std::max(lead, user.got - user.owed);
      }
    }
    free_at.push(now + duration(random));
  }
  int starved = 0;
  for (const auto& user : users_) {
    starved += user.waiting > 0 ? 1 : 0;
  }
  fmt::print(
      "{:<34} {:>6} users {:>6} segments: behind {:.2f}, ahead {:.2f} segments, longest wait "
      "{:.1f} s, starved {}\n",
      scenario.name, scenario.users, claims, lag, lead, longest_wait, starved);
  EXPECT_EQ(starved, 0);
  EXPECT_LE(lag, kWorkers);
  EXPECT_LE(lead, kWorkers);
  const double heaviest = scenario.unequal ? 4 : 1;
  EXPECT_LE(longest_wait, scenario.users * heaviest * kLongest / kWorkers + kLongest);
}

INSTANTIATE_TEST_SUITE_P(
    Scenarios, FairQueue,
    testing::Values(Scenario{"one user", 1, false, 20, 10, false},
                    Scenario{"short jobs at random", 100, false, 2, 600, false},
                    Scenario{"long jobs at random, unequal", 100, true, 20, 150, false},
                    Scenario{"jobs in bursts, unequal", 100, true, 5, 300, true},
                    Scenario{"short jobs of many in bursts", 10'000, false, 1, 10'500, true}));

}  // namespace
}  // namespace infernode::test
