// Goal: the same bytes of one user are stored and counted once, charged for each time, and gone
// with the last video that has them, whoever comes and goes at once.
// Method: the services over a real database; stores compared with what the quota counts.
#include "videos/video_ingest.hpp"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "testing/services.hpp"

namespace infernode::test {
namespace {

class SharedFiles : public testing::Test {
public:
  static std::vector<std::byte> bytes_of(int content) {
    return std::vector<std::byte>(1000, static_cast<std::byte>(content));
  }

  // A video of 10 frames with these bytes, as an upload brings it in.
  asio::awaitable<VideoId> bring(UserId user, DatasetId dataset, int content) {
    auto bytes = bytes_of(content);
    Sha256 sha;
    sha.update(bytes);
    const auto blob = BlobId::random();
    const auto reserved = co_await services.storage.reserve(blob, user, 1000, 1000);
    EXPECT_TRUE(reserved);
    co_await services.blobs.append(blob, 0, std::move(bytes), BlobStore::Life::as_it_is);
    NewVideo video;
    video.user = user;
    video.dataset = dataset;
    video.file = blob;
    video.name = "clip";
    video.size = 1000;
    video.sha256 = sha.finish();
    video.info.width = 64;
    video.info.height = 48;
    video.info.frame_count = 10;
    video.info.fps = 25;
    video.info.duration = 0.4;
    video.info.codec = "h264";
    NewVideos brought;
    brought.videos.push_back(std::move(video));
    auto transaction = co_await services.pool.begin();
    const auto accepted = co_await services.ingest.accept(transaction, std::move(brought));
    co_await transaction.commit();
    co_return accepted.value().front().id;
  }
  VideoId bring_now(UserId user, DatasetId dataset, int content) {
    VideoId id;
    services.database.run(
        [&]() -> asio::awaitable<void> { id = co_await bring(user, dataset, content); });
    return id;
  }
  void remove(UserId user, VideoId video) {
    services.database.run([&]() -> asio::awaitable<void> {
      EXPECT_TRUE(co_await services.videos.remove(user, video));
    });
  }
  // Bytes that the user's quota counts.
  std::string counted(UserId user) {
    return services.database.value(
        "SELECT coalesce(sum(bytes), 0) FROM \"StorageEntries\" "
        "WHERE user_id = '" +
        user.to_string() + "'");
  }
  std::string count(const std::string& table) {
    return services.database.value("SELECT count(*) FROM \"" + table + "\"");
  }
  void sweep() {
    services.database.pass_time(std::chrono::seconds{1});
    services.database.run([&]() -> asio::awaitable<void> { co_await services.blobs.sweep(); });
  }
  std::vector<std::byte> file_of(VideoId video) {
    const auto blob = BlobId::parse(services.database.value("SELECT file FROM \"Videos\" "
                                                            "WHERE id = '" +
                                                            video.to_string() + "'"))
                          .value();
    std::vector<std::byte> bytes;
    services.database.run(
        [&]() -> asio::awaitable<void> { bytes = co_await services.blobs.read(blob, 0, 2000); });
    return bytes;
  }

  Services services;
};

TEST_F(SharedFiles, AreStoredOnceAndChargedEachTime) {
  const auto user = services.make_user("1");
  const auto dataset = services.make_dataset(user);
  const auto first = bring_now(user, dataset, 1);
  const auto second = bring_now(user, services.make_dataset(user, "other"), 1);
  const auto different = bring_now(user, dataset, 2);
  EXPECT_EQ(counted(user), "2000");
  EXPECT_EQ(
      services.database.value("SELECT tokens FROM \"Users\" WHERE id = '" + user.to_string() + "'"),
      "0.970");
  sweep();
  EXPECT_EQ(count("Blobs"), "2");
  EXPECT_EQ(count("Chunks"), "2");
  EXPECT_EQ(file_of(first), bytes_of(1));
  remove(user, first);
  sweep();
  EXPECT_EQ(counted(user), "2000");
  EXPECT_EQ(file_of(second), bytes_of(1));
  EXPECT_EQ(file_of(different), bytes_of(2));
  remove(user, second);
  EXPECT_EQ(counted(user), "1000");
  sweep();
  EXPECT_EQ(count("Chunks"), "1");
  // What is gone is not shared.
  EXPECT_EQ(file_of(bring_now(user, dataset, 1)), bytes_of(1));
  services.expect_sound_money();
}

TEST_F(SharedFiles, AreOfOneUser) {
  const auto user = services.make_user();
  const auto other = services.make_user();
  bring_now(user, services.make_dataset(user), 1);
  bring_now(other, services.make_dataset(other), 1);
  EXPECT_EQ(counted(user), "1000");
  EXPECT_EQ(counted(other), "1000");
  sweep();
  EXPECT_EQ(count("Blobs"), "2");
}

TEST_F(SharedFiles, CountUntilTheLastDatasetIsPurged) {
  const auto user = services.make_user();
  const auto kept = services.make_dataset(user, "kept");
  const auto purged = services.make_dataset(user, "purged");
  const auto first = bring_now(user, kept, 1);
  bring_now(user, purged, 1);
  bring_now(user, purged, 2);
  const auto purge = [&](DatasetId dataset) {
    services.database.run([&]() -> asio::awaitable<void> {
      EXPECT_TRUE(co_await services.datasets.remove(user, dataset));
      EXPECT_TRUE(co_await services.datasets.purge(user, dataset));
    });
  };
  purge(purged);
  EXPECT_EQ(counted(user), "1000");
  // What the purged one had alone is not shared any more.
  bring_now(user, kept, 2);
  bring_now(user, kept, 1);
  EXPECT_EQ(counted(user), "2000");
  services.database.run([&]() -> asio::awaitable<void> { co_await services.videos.purge(); });
  sweep();
  EXPECT_EQ(counted(user), "2000");
  EXPECT_EQ(count("Chunks"), "2");
  EXPECT_EQ(file_of(first), bytes_of(1));
  purge(kept);
  EXPECT_EQ(counted(user), "0");
  services.database.run([&]() -> asio::awaitable<void> { co_await services.videos.purge(); });
  sweep();
  EXPECT_EQ(count("Chunks"), "0");
}

TEST_F(SharedFiles, AreRightWhoeverComesAndGoesAtOnce) {
  const auto user = services.make_user();
  const auto dataset = services.make_dataset(user);
  constexpr int kRounds = 40;
  constexpr int kAtOnce = 4;
  services.database.run([&]() -> asio::awaitable<void> {
    const auto executor = co_await asio::this_coro::executor;
    int waiting = kAtOnce;
    for (int each = 0; each < kAtOnce; ++each) {
      // Comes with one of two contents, and goes again, but for the last time.
      auto come_and_go = [](SharedFiles& test, UserId owner, DatasetId set,
                            int number) -> asio::awaitable<void> {
        for (int round = 0; round < kRounds; ++round) {
          const auto video = co_await test.bring(owner, set, (number + round) % 2);
          if (round + 1 < kRounds) {
            EXPECT_TRUE(co_await test.services.videos.remove(owner, video));
          }
        }
      };
      asio::co_spawn(executor, come_and_go(*this, user, dataset, each),
                     [&](const std::exception_ptr& error) {
                       EXPECT_FALSE(error);
                       --waiting;
                     });
    }
    asio::steady_timer timer{executor};
    while (waiting > 0) {
      timer.expires_after(std::chrono::milliseconds{1});
      co_await timer.async_wait(asio::use_awaitable);
    }
  });
  EXPECT_EQ(count("Videos"), std::to_string(kAtOnce));
  EXPECT_EQ(services.database.value("SELECT count(DISTINCT file) FROM \"Videos\""), "2");
  EXPECT_EQ(counted(user), "2000");
  sweep();
  EXPECT_EQ(count("Blobs"), "2");
  EXPECT_EQ(count("Chunks"), "2");
  services.expect_sound_money();
}

}  // namespace
}  // namespace infernode::test
