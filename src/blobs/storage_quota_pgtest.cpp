// Goal: what a user is said to store is the sum over the store, whatever happens to the blobs, and
// what is reserved never passes the quota.
// Method: the real services; uploads as blobs, results as a worker would leave them; many at once.
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "blobs/storage_quota.hpp"
#include "testing/services.hpp"

namespace infernode::test {
namespace {

class Storage : public testing::Test {
protected:
  std::int64_t used(UserId user) {
    return std::stoll(services_.database.value(
        R"(SELECT coalesce(sum("bytes"), 0) FROM "StorageEntries" WHERE "user_id" = ')" +
        user.to_string() + "'"));
  }
  // Over videos, results and what arrives.
  std::int64_t stored(UserId user) {
    return std::stoll(services_.database.value(
        R"(SELECT coalesce((SELECT sum(blob."size") FROM "Videos" AS video
                              JOIN "Blobs" AS blob ON blob."id" = video."file"
                              JOIN "Datasets" AS dataset ON dataset."id" = video."dataset_id"
                             WHERE dataset."user_id" = u."id" AND dataset."purged_at" IS NULL), 0)
                + coalesce((SELECT sum(blob."size") FROM "Results" AS result
                              JOIN "InferenceJobs" AS job ON job."id" = result."inferenceJob_id"
                              JOIN "Datasets" AS dataset ON dataset."id" = job."dataset_id"
                              JOIN "Blobs" AS blob
                                ON blob."id" IN (result."frames", result."image_zip", result."image_index")
                             WHERE job."user_id" = u."id" AND dataset."purged_at" IS NULL), 0)
             FROM "Users" AS u WHERE u."id" = ')" +
        user.to_string() + "'"));
  }
  Result<std::int64_t> reserve(BlobId blob, UserId user, std::int64_t least, std::int64_t most) {
    Result<std::int64_t> reserved = std::int64_t{0};
    services_.database.run([&]() -> asio::awaitable<void> {
      reserved = co_await quota_.reserve(blob, user, least, most);
    });
    return reserved;
  }
  void run(const std::function<asio::awaitable<void>()>& body) { services_.database.run(body); }

  Services services_;
  StorageQuota quota_{services_.pool, {10'000, 5}};
};

TEST_F(Storage, IsTheSumOfVideosAndResults) {
  const auto made = services_.make_job();
  EXPECT_EQ(used(made.user), 1000);
  services_.work_everything_off();
  EXPECT_GT(used(made.user), 1000);
  EXPECT_EQ(used(made.user), stored(made.user));
  run([&]() -> asio::awaitable<void> {
    const auto removed = co_await services_.jobs.remove(made.user, made.job);
    EXPECT_TRUE(removed);
  });
  EXPECT_EQ(used(made.user), 1000);
  run([&]() -> asio::awaitable<void> {
    const auto removed = co_await services_.videos.remove(made.user, made.video);
    EXPECT_TRUE(removed);
    co_await services_.blobs.sweep();
  });
  EXPECT_EQ(used(made.user), 0);
  EXPECT_EQ(services_.database.value("SELECT count(*) FROM \"Blobs\""), "0");
  EXPECT_EQ(services_.database.value("SELECT count(*) FROM \"BlobParts\""), "0");
  services_.expect_sound_money();
}

TEST_F(Storage, JobsAreDeletedOnceTheyHaveEnded) {
  const auto made = services_.make_job();
  const auto other = services_.make_user();
  const auto remove = [&](UserId user) {
    Result<void> removed;
    run([&]() -> asio::awaitable<void> {
      removed = co_await services_.jobs.remove(user, made.job);
    });
    return removed;
  };
  EXPECT_EQ(remove(made.user).error().code, ErrorCode::conflict);
  EXPECT_EQ(remove(other).error().code, ErrorCode::not_found);
  // Half of it was worked off before it was aborted.
  ASSERT_TRUE(services_.complete(services_.claim().value()));
  run([&]() -> asio::awaitable<void> {
    const auto aborted = co_await services_.jobs.abort(made.user, made.job);
    EXPECT_TRUE(aborted);
  });
  EXPECT_EQ(remove(other).error().code, ErrorCode::not_found);
  EXPECT_TRUE(remove(made.user));
  EXPECT_EQ(remove(made.user).error().code, ErrorCode::not_found);
  run([&]() -> asio::awaitable<void> { co_await services_.blobs.sweep(); });
  EXPECT_EQ(services_.database.value("SELECT count(*) FROM \"Segments\""), "0");
  EXPECT_EQ(services_.database.value("SELECT count(*) FROM \"Blobs\""), "1");  // the video's
  EXPECT_EQ(used(made.user), 1000);
  services_.expect_sound_money();
}

TEST_F(Storage, OfAPurgedDatasetIsFreeAtOnceAndEmptiedBehind) {
  const auto made = services_.make_job();
  services_.work_everything_off();
  services_.make_video(made.dataset);
  const auto purge = [&](UserId user) {
    Result<void> purged;
    run([&]() -> asio::awaitable<void> {
      purged = co_await services_.datasets.purge(user, made.dataset);
    });
    return purged;
  };
  EXPECT_EQ(purge(made.user).error().code, ErrorCode::conflict);
  run([&]() -> asio::awaitable<void> {
    const auto removed = co_await services_.datasets.remove(made.user, made.dataset);
    EXPECT_TRUE(removed);
  });
  EXPECT_GT(used(made.user), 2000);
  const auto other = services_.make_user();
  EXPECT_EQ(purge(other).error().code, ErrorCode::not_found);
  EXPECT_TRUE(purge(made.user));
  EXPECT_EQ(used(made.user), 0);
  EXPECT_EQ(purge(made.user).error().code, ErrorCode::not_found);
  run([&]() -> asio::awaitable<void> {
    const auto restored = co_await services_.datasets.restore(made.user, made.dataset);
    EXPECT_EQ(restored.error().code, ErrorCode::not_found);
    DatasetFilter deleted;
    deleted.deleted = true;
    const auto bin = co_await services_.datasets.list(made.user, deleted, PageRequest{});
    EXPECT_TRUE(bin.empty());
    co_await services_.videos.purge();
    co_await services_.blobs.sweep();
  });
  EXPECT_EQ(used(made.user), 0);
  for (const char* table :
       {"Datasets", "Videos", "InferenceJobs", "Results", "Segments", "Blobs"}) {
    EXPECT_EQ(services_.database.value("SELECT count(*) FROM \"" + std::string{table} + "\""), "0")
        << table;
  }
  services_.expect_sound_money();
}

TEST_F(Storage, IsReservedUpToTheQuotaAndNoFurther) {
  const auto user = services_.make_user();
  const BlobId first = BlobId::random();
  EXPECT_EQ(reserve(first, user, 5000, 6000).value(), 6000);
  EXPECT_EQ(reserve(first, user, 1000, 1500).value(), 1500);
  // As much as there is room for.
  EXPECT_EQ(reserve(BlobId::random(), user, 2000, 4000).value(), 2500);
  const auto full = reserve(BlobId::random(), user, 1, 1);
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code, ErrorCode::quota_exceeded);
  EXPECT_EQ(full.error().used, 10'000);
  EXPECT_EQ(full.error().quota, 10'000);
  EXPECT_EQ(reserve(first, user, 1, 1).error().code, ErrorCode::quota_exceeded);
  EXPECT_EQ(used(user), 10'000);
  run([&]() -> asio::awaitable<void> { co_await services_.blobs.discard(first); });
  EXPECT_EQ(used(user), 2500);
  // Forgotten for so long that it is swept.
  services_.database.pass_time(std::chrono::hours{2});
  run([&]() -> asio::awaitable<void> { co_await services_.blobs.sweep(); });
  EXPECT_EQ(used(user), 0);
  // Its own quota goes before everybody's.
  services_.database.sql(R"(UPDATE "Users" SET "storage_quota" = 10)");
  EXPECT_EQ(reserve(BlobId::random(), user, 11, 11).error().quota, 10);
  EXPECT_EQ(reserve(BlobId::random(), user, 10, 11).value(), 10);
}

TEST_F(Storage, ManyReserveAtOnceAndNeverPassTheQuota) {
  const auto user = services_.make_user();
  const auto other = services_.make_user();
  StorageQuota quota{services_.pool, {10'000, 1000}};
  int granted = 0;
  int refused = 0;
  int left = 60;
  run([&]() -> asio::awaitable<void> {
    const auto executor = co_await asio::this_coro::executor;
    asio::steady_timer done{executor, asio::steady_timer::time_point::max()};
    for (int i = 0; i < 60; ++i) {
      auto one = [&, i]() -> asio::awaitable<void> {
        const UserId whose = i % 6 == 5 ? other : user;
        const auto reserved = co_await quota.reserve(BlobId::random(), whose, 1000, 1000);
        (reserved ? granted : refused) += 1;
        if (--left == 0) {
          done.cancel();
        }
      };
      asio::co_spawn(executor, one, asio::detached);
    }
    boost::system::error_code ignored;
    co_await done.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  });
  EXPECT_EQ(granted, 20);
  EXPECT_EQ(refused, 40);
  EXPECT_EQ(used(user), 10'000);
  EXPECT_EQ(used(other), 10'000);
  // Folded, it is the same sum in one row.
  run([&]() -> asio::awaitable<void> { co_await quota.fold(); });
  EXPECT_EQ(used(user), 10'000);
  EXPECT_LE(std::stoi(services_.database.value("SELECT count(*) FROM \"StorageEntries\"")), 20);
}

TEST_F(Storage, SoManyUploadsOfAUserArriveAtOnce) {
  const auto user = services_.make_user();
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(reserve(BlobId::random(), user, 1, 1));
  }
  const auto one_more = reserve(BlobId::random(), user, 1, 1);
  ASSERT_FALSE(one_more);
  EXPECT_EQ(one_more.error().code, ErrorCode::too_many_requests);
  EXPECT_EQ(used(user), 5);
  // What nobody writes to any more stands in nobody's way.
  services_.database.pass_time(std::chrono::minutes{16});
  EXPECT_TRUE(reserve(BlobId::random(), user, 1, 1));
}

// No result could be kept.
TEST_F(Storage, JobsOfAFullUserAreRefused) {
  const auto user = services_.make_user();
  const auto video = services_.make_video(services_.make_dataset(user));
  services_.database.sql(R"(UPDATE "Users" SET "storage_quota" = 1000)");
  run([&]() -> asio::awaitable<void> {
    auto transaction = co_await services_.pool.begin();
    JobRequest request{std::vector{video}, {{"pipeline", "detect"}}};
    const auto created = co_await services_.jobs.create(transaction, user, std::move(request));
    EXPECT_EQ(created.error().code, ErrorCode::quota_exceeded);
  });
  EXPECT_EQ(services_.database.value("SELECT count(*) FROM \"InferenceJobs\""), "0");
}

}  // namespace
}  // namespace infernode::test
