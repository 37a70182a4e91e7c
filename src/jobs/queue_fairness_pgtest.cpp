// Goal: every user that has work gets its share of the segments, whoever else has how much.
// Method: a simulation. Workers that each take some seconds of simulated time for a segment claim
// by the real statements on a real database; work arrives at random and in bursts. What each user
// got is compared all along with a fluid server that gives all who have work their part of it at
// the same time (generalized processor sharing: Parekh and Gallager, 1993).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <queue>
#include <random>
#include <set>

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
  double got = 0;
  double added = 0;
  double fluid_finish = 0;  // of all its work, in the fluid server's virtual time
  double since = 0;         // seconds: its last segment was claimed then, or its work came
};

// Serves every user that has work left, each by its weight, all at the same time.
class FluidServer {
public:
  explicit FluidServer(std::vector<SimulatedUser>& users) : users_{users} {}

  void add(std::size_t number, int segments) {
    auto& user = users_[number];
    if (user.fluid_finish > now_) {
      busy_.erase({user.fluid_finish, number});
    } else {
      user.fluid_finish = now_;
      weight_ += user.weight;
    }
    user.added += segments;
    user.fluid_finish += segments / user.weight;
    busy_.emplace(user.fluid_finish, number);
  }
  // One segment, between all of them.
  void serve() {
    double left = 1;
    while (!busy_.empty()) {
      const auto [finish, number] = *busy_.begin();
      const double needed = (finish - now_) * weight_;
      if (needed > left) {
        now_ += left / weight_;
        return;
      }
      left -= needed;
      now_ = finish;
      busy_.erase(busy_.begin());
      weight_ = busy_.empty() ? 0 : weight_ - users_[number].weight;
    }
  }
  double given(const SimulatedUser& user) const {
    return user.added - std::max(0.0, user.fluid_finish - now_) * user.weight;
  }

private:
  std::vector<SimulatedUser>& users_;
  std::set<std::pair<double, std::size_t>> busy_;  // by when they have nothing left
  double now_ = 0;
  double weight_ = 0;
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
      SimulatedUser user;
      user.id = row[0];
      user.weight = std::stod(row[1]);
      users_.push_back(user);
    }
  }
  // As POST /jobs does, but for the money.
  void add_job(std::size_t number, int segments, double now) {
    auto& user = users_[number];
    const auto job = JobId::random().to_string();
    arriving_ += fmt::format(
        R"(WITH job AS (
             INSERT INTO "InferenceJobs" (id, dataset_id, user_id, video_id, params, images)
               SELECT '{2}', id, user_id, id, '{{}}', {1} FROM "Datasets" WHERE user_id = '{0}'
             RETURNING id, user_id
           ), added AS (
             INSERT INTO "Segments" (job_id, position, user_id, lane)
               SELECT id, n, user_id, "lane_of"(ARRAY['pipeline:detect'])
                 FROM job, generate_series(1, {1}) AS n ORDER BY n
             RETURNING id, lane
           )
           SELECT "join_line"('{0}', 0::smallint, array_agg(DISTINCT lane), ARRAY[min(id) - 1], NULL) FROM added;
)",
        user.id, segments, job);
    if (arriving_.size() > 500'000) {
      arrive();
    }
    owners_[job] = number;
    user.since = user.waiting == 0 ? now : user.since;
    user.waiting += segments;
    fluid_.add(number, segments);
  }
  void arrive() {
    if (!arriving_.empty()) {
      services_.database.sql(std::exchange(arriving_, {}));
    }
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
        co_return &users_[owners_.at(claim->segment->job.to_string())];
      }
    }
  }

  Services services_;
  std::vector<SimulatedUser> users_;
  std::string arriving_;  // statements
  FluidServer fluid_{users_};
  std::map<std::string, std::size_t> owners_;  // of jobs
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
  for (;;) {
    double now = free_at.top();
    free_at.pop();
    for (; next < arrivals.size() && arrivals[next].first <= now; ++next) {
      add_job(arrivals[next].second, 1 + length(random), now);
    }
    arrive();
    SimulatedUser* served = nullptr;
    services_.database.run([&]() -> asio::awaitable<void> { served = co_await claim(); });
    if (served == nullptr) {
      if (next == arrivals.size()) {
        break;
      }
      free_at.push(arrivals[next].first);
      continue;
    }
    ++claims;
    fluid_.serve();
    lag = std::max(lag, fluid_.given(*served) - served->got);
    ++served->got;
    lead = std::max(lead, served->got - fluid_.given(*served));
    longest_wait = std::max(longest_wait, now - served->since);
    served->since = now;
    --served->waiting;
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
