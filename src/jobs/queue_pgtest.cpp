// Goal: the queue gives each segment to one worker that can do it, counts only what the segment did
// wrong, and every job ends once, with its money right.
// Method: the real services on a database of their own, whose clock the test moves.
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <thread>

#include "db/listener.hpp"
#include "testing/services.hpp"

namespace infernode::test {
namespace {

class Queue : public testing::Test {
protected:
  std::string segment_value(const ClaimedSegment& segment, const std::string& column) {
    return services_.database.value("SELECT " + column +
                                    " FROM \"Segments\" WHERE id = " + std::to_string(segment.id));
  }
  void fail(const ClaimedSegment& segment, bool permanent = false) {
    services_.database.run([&]() -> asio::awaitable<void> {
      co_await services_.segments.fail(segment, "it broke", permanent);
    });
  }
  bool renew(const ClaimedSegment& segment) {
    bool held = false;
    services_.database.run([&]() -> asio::awaitable<void> {
      held = co_await services_.segments.renew(services_.worker, segment, 3);
    });
    return held;
  }

  Services services_;
};

TEST_F(Queue, WorksAJobOffToItsResult) {
  const auto made = services_.make_job({.frame_count = 150});
  EXPECT_EQ(services_.find(made).status, JobStatus::pending);
  const auto first = services_.claim();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->plan.start_frame, 0);
  EXPECT_EQ(first->plan.keyframe->frame, 0);
  EXPECT_EQ(services_.find(made).status, JobStatus::running);
  EXPECT_TRUE(services_.complete(*first));
  const auto second = services_.claim();
  ASSERT_TRUE(second);
  // Everything it needs is in its row.
  ASSERT_TRUE(second->plan.keyframe);
  EXPECT_EQ(second->plan.keyframe->frame, second->plan.start_frame);
  EXPECT_EQ(second->plan.keyframe->dts, second->plan.start_frame * 100 - 200);
  EXPECT_TRUE(services_.complete(*second));
  services_.work_everything_off();
  const auto job = services_.find(made);
  EXPECT_EQ(job.status, JobStatus::completed);
  EXPECT_EQ(job.done, 150);
  EXPECT_EQ(job.cost.to_string(), "0.300");
  EXPECT_GT(job.carbon_grams, 0);
  services_.expect_sound_money();
}

TEST_F(Queue, GivesASegmentToOneWorkerOnly) {
  services_.make_job({.frame_count = 60});
  EXPECT_TRUE(services_.claim());
  EXPECT_FALSE(services_.claim());
}

// The lease is the fence: who lost it changes nothing any more, and is charged for nothing.
TEST_F(Queue, ALeaseThatHasEndedFencesItsWorkerOff) {
  const auto made = services_.make_job({.frame_count = 60});
  const auto lost = services_.claim();
  services_.database.pass_time(std::chrono::seconds{16});
  const auto again = services_.claim();
  ASSERT_TRUE(again);
  EXPECT_EQ(again->id, lost->id);
  EXPECT_EQ(again->attempts, 1);  // a worker that never came back did no attempt
  EXPECT_EQ(again->losses, 1);
  EXPECT_FALSE(renew(*lost));
  EXPECT_FALSE(services_.complete(*lost));
  fail(*lost, true);
  EXPECT_EQ(services_.find(made).status, JobStatus::running);
  EXPECT_TRUE(services_.complete(*again));
  EXPECT_FALSE(services_.complete(*again));  // asked again after an answer that was lost
  services_.work_everything_off();
  EXPECT_EQ(services_.find(made).cost.to_string(), "0.120");
  services_.expect_sound_money();
}

TEST_F(Queue, ARenewedLeaseLasts) {
  services_.make_job({.frame_count = 60});
  const auto segment = services_.claim();
  for (int i = 0; i < 5; ++i) {
    services_.database.pass_time(std::chrono::seconds{10});
    EXPECT_TRUE(renew(*segment));
  }
  EXPECT_FALSE(services_.claim());
}

TEST_F(Queue, TheThirdFailureFailsTheJobAndGivesEverythingBack) {
  const auto made = services_.make_job({.frame_count = 150});
  EXPECT_TRUE(services_.complete(services_.claim().value()));
  for (int attempt = 1; attempt <= 3; ++attempt) {
    const auto segment = services_.claim();
    ASSERT_TRUE(segment) << attempt;
    EXPECT_EQ(segment->attempts, attempt);
    fail(*segment);
    // Tried again after 2 s, then 8 s; not before. Other segments of the job can be had.
    services_.database.sql(
        "UPDATE \"Segments\" SET claimable_at = claimable_at + interval '1 day' "
        "WHERE state = 'PENDING' AND attempts = 0");
    EXPECT_FALSE(services_.claim());
    services_.database.pass_time(std::chrono::seconds{2 * attempt * attempt + 1});
  }
  const auto job = services_.find(made);
  EXPECT_EQ(job.status, JobStatus::failed);
  EXPECT_EQ(job.error, "it broke");
  EXPECT_EQ(job.cost.to_string(), "0.000");
  // What was used was used: A8.
  EXPECT_GT(job.energy_joules, 0);
  EXPECT_GT(job.carbon_grams, 0);
  EXPECT_EQ(services_.database.value("SELECT tokens FROM \"Users\""), "100.000");
  EXPECT_FALSE(services_.claim());
  services_.expect_sound_money();
}

TEST_F(Queue, APermanentFaultFailsAtOnce) {
  const auto made = services_.make_job({.frame_count = 60});
  fail(services_.claim().value(), true);
  EXPECT_EQ(services_.find(made).status, JobStatus::failed);
}

// A4: what the machines do costs no attempt, however often.
TEST_F(Queue, WhatIsGivenBackCostsNoAttempt) {
  services_.make_job({.frame_count = 60});
  for (int i = 0; i < 8; ++i) {
    const auto segment = services_.claim();
    ASSERT_TRUE(segment) << i;
    EXPECT_EQ(segment->attempts, 1);
    services_.database.run(
        [&]() -> asio::awaitable<void> { co_await services_.segments.give_back(*segment, 1); });
    EXPECT_FALSE(services_.claim());
    services_.database.pass_time(std::chrono::seconds{2});
  }
}

// One that no worker survives is given up in the end.
TEST_F(Queue, ASegmentThatNoWorkerComesBackFromFailsItsJob) {
  const auto made = services_.make_job({.frame_count = 60});
  int claims = 0;
  while (services_.claim()) {
    ASSERT_LT(++claims, 20);
    services_.database.pass_time(std::chrono::seconds{16});
  }
  EXPECT_EQ(claims, SegmentService::kMaxLosses + 1);
  EXPECT_EQ(services_.find(made).status, JobStatus::failed);
  services_.expect_sound_money();
}

TEST_F(Queue, AWorkerClaimsOnlyWhatItCanDo) {
  const auto made = services_.make_job({.frame_count = 60, .params = {{"device", "cuda"}}});
  EXPECT_FALSE(services_.claim());
  // No worker that is at work can do it, and the job says so.
  auto job = services_.find(made);
  ASSERT_TRUE(job.waiting);
  EXPECT_EQ(job.waiting->reason, WaitingFor::worker);
  EXPECT_EQ(job.waiting->detail,
            "No worker that is at work has the pipeline detect, the model centernet and a graphics "
            "card (cuda).");
  services_.worker.devices.emplace_back("cuda");
  const auto report = [&]() -> asio::awaitable<void> {
    co_await services_.segments.report(services_.worker, std::nullopt);
  };
  services_.database.run(report);
  EXPECT_FALSE(services_.find(made).waiting);
  // Who has not been heard of for a while is gone.
  services_.database.pass_time(std::chrono::seconds{40});
  EXPECT_TRUE(services_.find(made).waiting);
  services_.database.run(report);
  EXPECT_FALSE(services_.find(made).waiting);
  EXPECT_TRUE(services_.claim());
  services_.worker.models.clear();
  services_.make_job({.frame_count = 60});
  EXPECT_FALSE(services_.claim());
}

TEST_F(Queue, AJobSaysThatItWaitsForARetryOrForTheDisk) {
  const auto made = services_.make_job({.frame_count = 60});
  fail(services_.claim().value());
  services_.database.run([&]() -> asio::awaitable<void> {
    co_await services_.segments.report(services_.worker, std::nullopt);
  });
  auto job = services_.find(made);
  ASSERT_TRUE(job.waiting);
  EXPECT_EQ(job.waiting->reason, WaitingFor::retry);
  EXPECT_NE(job.waiting->detail.find("it broke"), std::string::npos);
  services_.database.run([&]() -> asio::awaitable<void> {
    co_await services_.segments.report(services_.worker, "no room");
  });
  job = services_.find(made);
  ASSERT_TRUE(job.waiting);
  EXPECT_EQ(job.waiting->reason, WaitingFor::disk);
}

TEST_F(Queue, AnAbortedJobStopsItsWorkersAndGivesTheRestBack) {
  const auto made = services_.make_job({.frame_count = 150});
  EXPECT_TRUE(services_.complete(services_.claim().value()));
  const auto held = services_.claim();
  services_.database.run([&]() -> asio::awaitable<void> {
    const auto aborted = co_await services_.jobs.abort(made.user, made.job);
    EXPECT_TRUE(aborted);
    const auto again = co_await services_.jobs.abort(made.user, made.job);
    EXPECT_EQ(again.error().code, ErrorCode::conflict);
  });
  EXPECT_FALSE(renew(*held));
  EXPECT_FALSE(services_.complete(*held));
  EXPECT_FALSE(services_.claim());
  const auto job = services_.find(made);
  EXPECT_EQ(job.status, JobStatus::aborted);
  EXPECT_EQ(job.done, 75);
  EXPECT_EQ(job.cost.to_string(), "0.150");
  EXPECT_GT(job.carbon_grams, 0);
  services_.expect_sound_money();
}

// What ended jobs leave behind goes: at once what failed or aborted ones stored, after a while
// their segments too (D4).
TEST_F(Queue, EndedJobsAreClearedAway) {
  const auto made = services_.make_job({.frame_count = 150});
  EXPECT_TRUE(services_.complete(services_.claim().value()));
  services_.database.run([&]() -> asio::awaitable<void> {
    const auto aborted = co_await services_.jobs.abort(made.user, made.job);
    EXPECT_TRUE(aborted);
    const int freed = co_await services_.clearing.free_outputs();
    EXPECT_EQ(freed, 1);
    const int again = co_await services_.clearing.free_outputs();
    EXPECT_EQ(again, 0);
  });
  services_.database.pass_time(std::chrono::seconds{1});
  services_.database.run([&]() -> asio::awaitable<void> {
    const auto swept = co_await services_.blobs.sweep();
    EXPECT_EQ(swept, 2);
    const auto kept = co_await services_.clearing.delete_segments();
    EXPECT_EQ(kept, 0);
  });
  EXPECT_EQ(services_.database.value("SELECT count(*) FROM \"BlobParts\""), "1");  // the video
  EXPECT_EQ(services_.database.value("SELECT count(*) FROM \"Chunks\""), "1");
  EXPECT_EQ(services_.database.value("SELECT count(*) FROM \"Segments\""), "3");
  services_.database.pass_time(std::chrono::seconds{3700});
  services_.database.run([&]() -> asio::awaitable<void> {
    const auto deleted = co_await services_.clearing.delete_segments();
    EXPECT_EQ(deleted, 3);
  });
  EXPECT_EQ(services_.find(made).status, JobStatus::aborted);
}

// Three round trips a finished segment, three for a request of any number of jobs.
TEST_F(Queue, FewRoundTrips) {
  services_.make_job({.frame_count = 400});
  for (int i = 0; i < 3; ++i) {
    const auto segment = services_.claim().value();
    const auto outcome = services_.outcome_of(segment);
    const auto trips = count_round_trips(services_.database, [&]() -> asio::awaitable<void> {
      const auto kept = co_await services_.segments.complete(segment, outcome);
      EXPECT_TRUE(kept);
    });
    EXPECT_LE(trips, 3);
  }
  for (const int count : {1, 10, 1000}) {
    const auto user = services_.make_user("100000");
    const auto dataset = services_.make_dataset(user);
    services_.make_video(dataset, 4);
    services_.database.sql(
        R"(INSERT INTO "Blobs" (id) SELECT gen_random_uuid() FROM generate_series(2, )" +
        std::to_string(count) + R"();
      INSERT INTO "Videos" (dataset_id, file, name, frame_count)
        SELECT ')" +
        dataset.to_string() + R"(', id, 'v', 4 FROM "Blobs" AS b
         WHERE NOT EXISTS (SELECT FROM "Videos" WHERE file = b.id)
           AND NOT EXISTS (SELECT FROM "Segments" WHERE b.id IN (images_blob, frames_blob)))");
    IdempotencyKey key{"key-" + std::to_string(count), {}};
    const auto trips = count_round_trips(services_.database, [&]() -> asio::awaitable<void> {
      IdempotencyService::Effect effect =
          [&](db::Transaction& transaction) -> asio::awaitable<Result<Answer>> {
        JobRequest request{dataset, {{"pipeline", "detect"}}};
        const auto accepted = co_await services_.jobs.create(transaction, user, std::move(request));
        if (!accepted) {
          co_return accepted.error();
        }
        EXPECT_EQ(static_cast<int>(accepted->jobs.size()), count);
        co_return Answer{201, "{}"};
      };
      const auto answer = co_await services_.idempotency.act(user, key, std::move(effect));
      EXPECT_TRUE(answer);
    });
    EXPECT_LE(trips, 3) << count;
  }
  services_.expect_sound_money();
}

// Whoever deletes a dataset with many jobs under way waits for a constant number of round trips
// (E7).
TEST_F(Queue, ManyJobsEndTogether) {
  const auto made = services_.make_job({.frame_count = 60});
  for (int i = 0; i < 30; ++i) {
    services_.make_job_of(made.user, made.video);
  }
  const auto trips = count_round_trips(services_.database, [&]() -> asio::awaitable<void> {
    const auto removed = co_await services_.datasets.remove(made.user, made.dataset);
    EXPECT_TRUE(removed);
  });
  EXPECT_LE(trips, 6);
  EXPECT_EQ(
      services_.database.value("SELECT count(*) FROM \"InferenceJobs\" WHERE status = 'ABORTED'"),
      "31");
  EXPECT_EQ(services_.database.value("SELECT tokens FROM \"Users\""), "100.000");
  services_.expect_sound_money();
}

// The lease is for machines that vanish; PostgreSQL knows at once of a process that died.
TEST_F(Queue, ADeadWorkersSegmentWaitsAgainBeforeItsLeaseEnds) {
  services_.make_job({.frame_count = 30});
  const auto segment = services_.claim().value();
  services_.database.run([&]() -> asio::awaitable<void> {
    auto process = co_await db::Connection::open(services_.database.context().get_executor(),
                                                 services_.database.conninfo());
    const auto sign = SegmentService::sign_of_life(services_.worker.id);
    co_await process->run_script(sign);
    const bool renewed = co_await services_.segments.renew(services_.worker, segment, 0);
    EXPECT_TRUE(renewed);
    services_.database.pass_time(std::chrono::seconds{5});
    // Silent, but alive.
    co_await services_.segments.tend_queue(services_.worker.offers());
    EXPECT_EQ(services_.database.value("SELECT state FROM \"Segments\" ORDER BY id LIMIT 1"),
              "LEASED");
    process.reset();
    for (int i = 0; i < 200; ++i) {  // until PostgreSQL has seen the end of the connection
      co_await services_.segments.tend_queue(services_.worker.offers());
      if (services_.database.value("SELECT state FROM \"Segments\" ORDER BY id LIMIT 1") ==
          "PENDING") {
        break;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds{10});
    }
  });
  const auto again = services_.claim();
  ASSERT_TRUE(again);
  EXPECT_EQ(again->id, segment.id);
  EXPECT_EQ(again->attempts, 1);
  EXPECT_EQ(again->losses, 1);
  EXPECT_FALSE(services_.complete(segment));
}

TEST_F(Queue, ARetryThatFallsDueWakesWorkers) {
  services_.make_job({.frame_count = 10});
  const auto segment = services_.claim().value();
  services_.database.run([&]() -> asio::awaitable<void> {
    co_await services_.segments.fail(segment, "a fault", false);
    const auto waiting = co_await services_.segments.tend_queue(services_.worker.offers());
    EXPECT_FALSE(waiting.retry_is_due);
    EXPECT_LE(waiting.next.count(), 1);
    services_.database.pass_time(std::chrono::seconds{1});
    const auto near = co_await services_.segments.tend_queue(services_.worker.offers());
    EXPECT_FALSE(near.retry_is_due);
    services_.database.pass_time(std::chrono::seconds{2});
    const auto due = co_await services_.segments.tend_queue(services_.worker.offers());
    EXPECT_TRUE(due.retry_is_due);
  });
  EXPECT_TRUE(services_.claim());
}

TEST_F(Queue, ALimitThatIsTakenBackIsTheUsualOneAgain) {
  services_.make_job({.frame_count = 200});
  services_.database.sql("UPDATE \"Users\" SET \"max_running_segments\" = 1");
  ASSERT_TRUE(services_.claim());
  EXPECT_FALSE(services_.claim());
  services_.database.sql("UPDATE \"Users\" SET \"max_running_segments\" = NULL");
  services_.database.run([&]() -> asio::awaitable<void> {
    co_await services_.segments.set_usual_limit(2);
    co_await services_.segments.tend_queue(services_.worker.offers());
  });
  EXPECT_TRUE(services_.claim());
  EXPECT_FALSE(services_.claim());
}

// Two requests at once must not pass the limit together.
TEST_F(Queue, TheLimitOfOpenJobsHoldsForRequestsAtOnce) {
  const auto made = services_.make_job({.frame_count = 60});
  JobService strict{services_.pool,
                    services_.videos,
                    services_.credits,
                    services_.storage,
                    services_.pipelines,
                    services_.models,
                    JobLimits{.open_jobs = 3},
                    [](JobId) -> asio::awaitable<void> { co_return; }};
  int accepted = 0;
  int refused = 0;
  const auto ask = [&]() -> asio::awaitable<void> {
    auto transaction = co_await services_.pool.begin();
    JobRequest request{std::vector<VideoId>{made.video}, {{"pipeline", "detect"}}};
    const auto answer = co_await strict.create(transaction, made.user, std::move(request));
    if (answer) {
      co_await transaction.commit();
      ++accepted;
    } else {
      EXPECT_EQ(answer.error().code, ErrorCode::conflict);
      ++refused;
    }
  };
  for (int i = 0; i < 6; ++i) {
    asio::co_spawn(services_.database.context(), ask(),
                   [](const std::exception_ptr& error) { EXPECT_FALSE(error); });
  }
  services_.database.run([&]() -> asio::awaitable<void> {
    while (accepted + refused < 6) {
      asio::steady_timer timer{services_.database.context(), std::chrono::milliseconds{5}};
      co_await timer.async_wait(asio::use_awaitable);
    }
  });
  EXPECT_EQ(accepted, 2);
}

// Workers are woken when there is something to do, rather than find it at their next look.
TEST_F(Queue, WorkersAreWokenWhenThereIsWork) {
  int woken = 0;
  asio::co_spawn(
      services_.database.context(),
      db::listen(services_.database.conninfo(), {"infernode_work"},
                 [&](const db::Notification& news) { woken += news.channel.empty() ? 0 : 1; }),
      [](const std::exception_ptr&) {});
  const auto heard = [&]() -> int {
    services_.database.run([&]() -> asio::awaitable<void> {
      asio::steady_timer timer{services_.database.context(), std::chrono::milliseconds{100}};
      co_await timer.async_wait(asio::use_awaitable);
    });
    return std::exchange(woken, 0);
  };
  EXPECT_EQ(heard(), 0);
  services_.make_job({.frame_count = 100});
  EXPECT_EQ(heard(), 1);
  const auto given_back = services_.claim().value();
  services_.database.run(
      [&]() -> asio::awaitable<void> { co_await services_.segments.give_back(given_back, 0); });
  EXPECT_EQ(heard(), 1);
  const auto first = services_.claim().value();
  const auto second = services_.claim().value();
  EXPECT_TRUE(services_.complete(first));
  EXPECT_EQ(heard(), 0);  // the assembly waits for the other
  EXPECT_TRUE(services_.complete(second));
  EXPECT_EQ(heard(), 1);
}

}  // namespace
}  // namespace infernode::test
