// Goal: whose segment is claimed next is whose turn it is, and claims at once never harm each
// other. Method: the real services on a database of their own.
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "testing/services.hpp"

namespace infernode::test {
namespace {

class Claims : public testing::Test {
protected:
  Services services_;
};

// B3: a user with much queued does not delay another's by more than a segment a worker.
TEST_F(Claims, UsersTakeTurns) {
  const auto heavy = services_.make_job({.frame_count = 5000});
  const auto light = services_.make_job({.frame_count = 150});  // two segments
  std::vector<UserId> order;
  for (int i = 0; i < 6; ++i) {
    order.push_back(services_.claim().value().user);
  }
  EXPECT_EQ(std::count(order.begin(), order.begin() + 4, light.user), 2);
  EXPECT_EQ(std::count(order.begin(), order.end(), light.user), 2);
  EXPECT_EQ(services_.find(heavy).status, JobStatus::running);
}

TEST_F(Claims, AWeightIsAShare) {
  const auto one = services_.make_job({.frame_count = 5000});
  services_.database.sql("UPDATE \"Users\" SET weight = 3");
  const auto three = services_.make_job_of(one.user, one.video);  // its weight is seen now
  static_cast<void>(three);
  const auto other = services_.make_job({.frame_count = 5000});
  int others = 0;
  for (int i = 0; i < 40; ++i) {
    others += services_.claim().value().user == other.user ? 1 : 0;
  }
  EXPECT_GE(others, 9);
  EXPECT_LE(others, 11);
}

// Among a user's own jobs; others do not wait for it.
TEST_F(Claims, PriorityOrdersAUsersOwnJobs) {
  const auto made = services_.make_job({.frame_count = 300});
  const auto other = services_.make_job({.frame_count = 300});
  EXPECT_EQ(services_.claim().value().job, made.job);
  const auto urgent = services_.make_job_of(made.user, made.video, {}, 5);
  const auto later = services_.make_job_of(made.user, made.video, {}, -5);
  std::vector<JobId> own;
  int others = 0;
  while (const auto segment = services_.claim()) {
    if (segment->user == other.user) {
      ++others;
    } else {
      own.push_back(segment->job);
    }
  }
  EXPECT_EQ(others, 4);
  ASSERT_EQ(own.size(), 11U);
  EXPECT_EQ(std::count(own.begin(), own.begin() + 4, urgent), 4);
  EXPECT_EQ(std::count(own.begin() + 4, own.begin() + 7, made.job), 3);
  EXPECT_EQ(std::count(own.begin() + 7, own.end(), later), 4);
}

TEST_F(Claims, ACapHoldsForAttemptsAfterALossToo) {
  const auto user = services_.make_user();
  services_.database.sql("UPDATE \"Users\" SET max_running_segments = 2");
  const MadeJob made{user, services_.make_dataset(user), {}, {}};
  const auto video = services_.make_video(made.dataset, 1000);
  const auto job = services_.make_job_of(user, video);
  const auto first = services_.claim().value();
  const auto second = services_.claim().value();
  EXPECT_FALSE(services_.claim());
  const auto waiting = services_.make_job_of(user, video);
  auto found = services_.find({user, made.dataset, video, waiting});
  services_.database.run([&]() -> asio::awaitable<void> {
    co_await services_.segments.report(services_.worker, std::nullopt);
  });
  found = services_.find({user, made.dataset, video, waiting});
  ASSERT_TRUE(found.waiting);
  EXPECT_EQ(found.waiting->reason, WaitingFor::limit);
  EXPECT_EQ(found.waiting->images_ahead, 1000);
  // Somebody else is not held up.
  const auto other = services_.make_job({.frame_count = 60});
  EXPECT_EQ(services_.claim().value().user, other.user);
  EXPECT_TRUE(services_.complete(first));
  const auto third = services_.claim().value();
  EXPECT_EQ(third.job, job);
  EXPECT_FALSE(services_.claim());
  // Both are lost, and one has to wait until the other is done.
  services_.database.pass_time(std::chrono::seconds{16});
  services_.database.run([&]() -> asio::awaitable<void> {
    co_await services_.segments.report(services_.worker, std::nullopt);
  });
  std::vector<ClaimedSegment> again;
  while (auto segment = services_.claim()) {
    if (segment->user == user) {
      again.push_back(std::move(*segment));
    }
  }
  ASSERT_EQ(again.size(), 2U);
  EXPECT_TRUE(again[0].id == second.id || again[0].id == third.id);
  EXPECT_EQ(again[0].losses, 1);
  EXPECT_EQ(again[1].losses, 1);
}

TEST_F(Claims, AJobSaysHowMuchGoesBefore) {
  const auto heavy = services_.make_job({.frame_count = 5000});
  const auto light = services_.make_job({.frame_count = 60});
  EXPECT_TRUE(services_.claim());
  services_.database.run([&]() -> asio::awaitable<void> {
    co_await services_.segments.report(services_.worker, std::nullopt);
  });
  const auto second = services_.make_job_of(heavy.user, heavy.video);
  const auto found = services_.find({heavy.user, heavy.dataset, heavy.video, second});
  ASSERT_TRUE(found.waiting);
  EXPECT_EQ(found.waiting->reason, WaitingFor::turn);
  EXPECT_EQ(found.waiting->images_ahead, 5060);
  EXPECT_FALSE(services_.find(light).waiting);  // the next
}

// Whoever has nothing waiting loses its place, and gets a new one with new work, also while others
// abort theirs.
TEST_F(Claims, AbortedWorkIsPassedOver) {
  std::vector<MadeJob> aborted;
  for (int i = 0; i < 20; ++i) {
    aborted.push_back(services_.make_job({.frame_count = 150}));
  }
  const auto kept = services_.make_job({.frame_count = 60});
  services_.database.run([&]() -> asio::awaitable<void> {
    for (const auto& made : aborted) {
      const auto job = co_await services_.jobs.abort(made.user, made.job);
      EXPECT_TRUE(job);
    }
  });
  EXPECT_EQ(services_.claim().value().job, kept.job);
  EXPECT_FALSE(services_.claim());
  const auto again = services_.make_job_of(aborted[3].user, aborted[3].video);
  EXPECT_EQ(services_.claim().value().job, again);
}

// Claims that wait for each other's turns never do so in a circle: whoever finds that the turn it
// waited for has come to its end waits for no other while it holds it.
TEST_F(Claims, ClaimsNeverWaitInACircle) {
  auto& database = services_.database;
  const auto first = services_.make_job({.frame_count = 60});
  const auto second = services_.make_job({.frame_count = 60});
  const auto turn = [](const MadeJob& made, const std::string& change) {
    return "UPDATE \"Turns\" SET " + change + " WHERE user_id = '" + made.user.to_string() + "'";
  };
  const auto open = [&]() -> std::unique_ptr<db::Connection> {
    std::unique_ptr<db::Connection> connection;
    database.run([&]() -> asio::awaitable<void> {
      connection =
          co_await db::Connection::open(database.context().get_executor(), database.conninfo());
    });
    return connection;
  };
  const auto script = [&](db::Connection& connection, std::string sql) {
    database.run([&]() -> asio::awaitable<void> { co_await connection.run_script(sql); });
  };
  int running = 0;
  const auto begin = [&](asio::awaitable<void> work) {
    ++running;
    asio::co_spawn(database.context(), std::move(work), [&](const std::exception_ptr& error) {
      --running;
      EXPECT_NO_THROW({
        if (error) {
          std::rethrow_exception(error);
        }
      });
    });
  };
  // Waits until so many statements wait for a lock, or nothing is under way any more.
  const auto until_waiting = [&](int count) {
    database.run([&]() -> asio::awaitable<void> {
      while (running > 0 && database.value("SELECT count(*) FROM pg_stat_activity WHERE datname = "
                                           "current_database() AND wait_event_type = 'Lock'") !=
                                std::to_string(count)) {
        asio::steady_timer timer{database.context(), std::chrono::milliseconds{5}};
        co_await timer.async_wait(asio::use_awaitable);
      }
    });
  };
  const auto claim = [&]() -> asio::awaitable<void> {
    co_await services_.segments.claim(services_.worker);
  };

  // The first user's turn is before the second's; both are held.
  script(*open(), turn(first, "pass = 1") + ";" + turn(second, "pass = 2"));
  const auto holder = open();
  script(*holder, "BEGIN;" + turn(first, "pass = 3"));
  const auto other_holder = open();
  script(*other_holder, "BEGIN;" + turn(second, "lanes = '{}', ranks = '{}', afters = '{}'"));
  const auto emptier = open();
  begin(emptier->run_script("BEGIN;" + turn(first, "lanes = '{}', ranks = '{}', afters = '{}'")));
  until_waiting(1);
  begin(claim());  // waits for the first user's turn
  until_waiting(2);
  script(*holder, "COMMIT");  // now it is behind the second's
  until_waiting(1);
  begin(claim());  // waits for the second user's turn
  until_waiting(2);
  script(*emptier, "COMMIT");
  script(*other_holder, "COMMIT");
  until_waiting(0);
  database.run([&]() -> asio::awaitable<void> {
    while (running > 0) {
      asio::steady_timer timer{database.context(), std::chrono::milliseconds{5}};
      co_await timer.async_wait(asio::use_awaitable);
    }
  });
}

// Claims of many at once: each segment once, none left.
TEST_F(Claims, ClaimersAtOnceShareOutEverySegment) {
  for (int i = 0; i < 3; ++i) {
    services_.make_job({.frame_count = 3000});
  }
  const auto total =
      services_.database.value("SELECT count(*) FROM \"Segments\" WHERE state = 'PENDING'");
  std::vector<std::int64_t> claimed;
  int running = 8;
  for (int i = 0; i < 8; ++i) {
    asio::co_spawn(
        services_.database.context(),
        [&]() -> asio::awaitable<void> {
          while (const auto segment = co_await services_.segments.claim(services_.worker)) {
            claimed.push_back(segment->id);
          }
        },
        [&](const std::exception_ptr& error) {
          --running;
          EXPECT_NO_THROW({
            if (error) {
              std::rethrow_exception(error);
            }
          });
        });
  }
  services_.database.run([&]() -> asio::awaitable<void> {
    while (running > 0) {
      asio::steady_timer timer{services_.database.context(), std::chrono::milliseconds{5}};
      co_await timer.async_wait(asio::use_awaitable);
    }
  });
  std::sort(claimed.begin(), claimed.end());
  EXPECT_EQ(std::unique(claimed.begin(), claimed.end()), claimed.end());
  EXPECT_EQ(std::to_string(claimed.size()), total);
}

}  // namespace
}  // namespace infernode::test
