// Goal: what is shown as used is what was used: each frame, image, token, joule and gram once,
// whatever becomes of the job, and without growing with the number of jobs. Method: the real
// services and triggers; sums against the ledger and the jobs.
#include <gtest/gtest.h>

#include "testing/services.hpp"
#include "usage/usage_service.hpp"

namespace infernode::test {
namespace {

class UsageTable : public testing::Test {
protected:
  std::vector<UsedInBucket> list(UserId user, UsageQuery query = {}) {
    Result<std::vector<UsedInBucket>> found = std::vector<UsedInBucket>{};
    services_.database.run(
        [&]() -> asio::awaitable<void> { found = co_await usage_.list(user, std::move(query)); });
    return found.value();
  }
  UsedInBucket total(UserId user) {
    auto all = list(user, {.bucket = UsageBucket::all, .by_pipeline = false});
    return all.empty() ? UsedInBucket{} : all.front();
  }
  std::string spent(UserId user) {
    return services_.database.value(
        R"(SELECT coalesce(-sum("amount"), 0)::numeric(18, 3) FROM "LedgerEntries"
            WHERE "kind" IN ('upload', 'job', 'refund') AND "user_id" = ')" +
        user.to_string() + "'");
  }
  void abort(const MadeJob& job) {
    services_.database.run([&]() -> asio::awaitable<void> {
      const auto aborted = co_await services_.jobs.abort(job.user, job.job);
      EXPECT_TRUE(aborted);
    });
  }
  int rows() { return std::stoi(services_.database.value(R"(SELECT count(*) FROM "Usage")")); }

  Services services_;
  UsageService usage_{services_.pool};
};

TEST_F(UsageTable, HasWhatACompletedJobTook) {
  const auto made = services_.make_job();
  services_.work_everything_off();
  const auto all = list(made.user);
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].pipeline, "detect");
  EXPECT_EQ(all[0].images, 120);
  EXPECT_EQ(all[0].frames, 0);
  EXPECT_EQ(all[0].tokens.to_string(), "0.240");
  EXPECT_EQ(std::to_string(all[0].joules), std::to_string(std::stod(services_.database.value(
                                               R"(SELECT "energy_joules" FROM "InferenceJobs")"))));
  EXPECT_EQ(std::to_string(all[0].grams), std::to_string(std::stod(services_.database.value(
                                              R"(SELECT "carbon_grams" FROM "InferenceJobs")"))));
  EXPECT_GT(all[0].joules, 0);
  EXPECT_EQ(all[1].pipeline, "upload");
  EXPECT_EQ(all[1].frames, 120);
  EXPECT_EQ(total(made.user).tokens.to_string(), spent(made.user));
  const auto day = services_.database.value(R"(SELECT ("clock"() AT TIME ZONE 'UTC')::date)");
  EXPECT_EQ(all[0].from, day);
  EXPECT_TRUE(list(services_.make_user()).empty());
}

TEST_F(UsageTable, HasOfAnAbortedJobWhatWasNotRefunded) {
  const auto made = services_.make_job();
  const auto segment = services_.claim();
  ASSERT_TRUE(segment);
  ASSERT_TRUE(services_.complete(*segment));
  abort(made);
  const auto all = list(made.user);
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].images, segment->plan.image_count);
  EXPECT_EQ(total(made.user).tokens.to_string(), spent(made.user));
}

TEST_F(UsageTable, CountsNoImageOfAJobThatDrawsAgain) {
  const auto made = services_.make_job();
  services_.work_everything_off();
  services_.redraw(made, {{"image_quality", 50}});
  services_.work_everything_off();
  EXPECT_EQ(services_.database.value(
                R"(SELECT count(*) FROM "InferenceJobs" WHERE "status" = 'COMPLETED')"),
            "2");
  EXPECT_EQ(total(made.user).images, 120);
}

TEST_F(UsageTable, StaysWhenItsJobsGo) {
  const auto made = services_.make_job();
  services_.work_everything_off();
  const auto before = total(made.user);
  services_.database.run([&]() -> asio::awaitable<void> {
    EXPECT_TRUE(co_await services_.jobs.remove(made.user, made.job));
  });
  EXPECT_EQ(services_.database.value(R"(SELECT count(*) FROM "InferenceJobs")"), "0");
  EXPECT_EQ(total(made.user).images, before.images);
  EXPECT_EQ(total(made.user).tokens, before.tokens);
}

TEST_F(UsageTable, IsAddedUp) {
  const auto user = services_.make_user();
  const auto video = services_.make_video(services_.make_dataset(user), 4);
  for (int i = 0; i < 40; ++i) {
    services_.make_job_of(user, video);
  }
  services_.work_everything_off();
  const auto before = list(user);
  EXPECT_GT(rows(), 40);
  // By several servers at once, as it happens.
  for (int i = 0; i < 2; ++i) {
    services_.database.run([&]() -> asio::awaitable<void> { co_await usage_.fold(); });
  }
  EXPECT_LE(rows(), 4);
  const auto after = list(user);
  ASSERT_EQ(after.size(), before.size());
  EXPECT_EQ(after[0].images, 160);
  EXPECT_EQ(after[0].tokens, before[0].tokens);
  EXPECT_NEAR(after[0].joules, before[0].joules, 1e-9);
}

TEST_F(UsageTable, IsAskedForByDays) {
  const auto made = services_.make_job();
  services_.work_everything_off();
  EXPECT_TRUE(list(made.user, {.from = "2020-01-01", .to = "2020-12-31"}).empty());
  const auto month = list(made.user, {.bucket = UsageBucket::month});
  ASSERT_EQ(month.size(), 2U);
  EXPECT_TRUE(month[0].from.ends_with("-01"));
  for (const auto& days :
       {std::pair{"2026-02-30", "2026-03-01"}, std::pair{"2026-03-02", "2026-03-01"},
        std::pair{"2010-01-01", "2026-03-01"}, std::pair{"0000-01-01", "0000-01-02"}}) {
    services_.database.run([&]() -> asio::awaitable<void> {
      UsageQuery query{.from = days.first, .to = days.second};
      const auto found = co_await usage_.list(made.user, std::move(query));
      EXPECT_FALSE(found) << days.first << " " << days.second;
      EXPECT_EQ(found.error().code, ErrorCode::invalid);
    });
  }
}

TEST_F(UsageTable, GivesAQuoteWhatTheLastJobsTook) {
  const auto made = services_.make_job();
  const auto quoted = [&] {
    Result<Quote> quote = Quote{};
    boost::json::object params{{"pipeline", "detect"}};
    services_.database.run([&]() -> asio::awaitable<void> {
      JobRequest request{std::vector<VideoId>{made.video}, std::move(params)};
      quote = co_await services_.jobs.quote(made.user, std::move(request));
    });
    return quote.value();
  };
  EXPECT_FALSE(quoted().grams);
  EXPECT_FALSE(quoted().seconds);
  services_.work_everything_off();
  const auto grams =
      std::stod(services_.database.value(R"(SELECT "carbon_grams" FROM "InferenceJobs")"));
  ASSERT_TRUE(quoted().grams && quoted().seconds);
  EXPECT_NEAR(*quoted().grams, grams, 1e-9);
  EXPECT_GE(*quoted().seconds, 0);
}

}  // namespace
}  // namespace infernode::test
