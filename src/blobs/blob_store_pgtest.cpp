// Goal: a blob is what was written, in the form of today, in the former one and in a mixture; what
// nobody wants is gone whole, what somebody refers to stays.
// Method: the real store; reads at every edge; a database clock that the test moves.
#include <gtest/gtest.h>

#include "testing/services.hpp"

namespace infernode::test {
namespace {

std::vector<std::byte> pattern(std::size_t size, int seed) {
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<std::byte>((i * 31 + static_cast<std::size_t>(seed)) >> 3);
  }
  return bytes;
}

class Blobs : public testing::Test {
protected:
  BlobId write(const std::vector<std::byte>& bytes) {
    BlobId blob;
    services_.database.run([&]() -> asio::awaitable<void> {
      BlobWriter writer{services_.blobs};
      co_await writer.write(bytes);
      co_await writer.finish();
      blob = writer.id().value();
    });
    return blob;
  }
  std::vector<std::byte> read(BlobId blob, std::int64_t offset, std::size_t piece) {
    std::vector<std::byte> all;
    services_.database.run([&]() -> asio::awaitable<void> {
      for (;;) {
        const auto bytes = co_await services_.blobs.read(
            blob, offset + static_cast<std::int64_t>(all.size()), piece);
        EXPECT_LE(bytes.size(), piece);
        if (bytes.empty()) {
          break;
        }
        all.insert(all.end(), bytes.begin(), bytes.end());
      }
    });
    return all;
  }
  std::int64_t sweep() {
    std::int64_t swept = 0;
    services_.database.run(
        [&]() -> asio::awaitable<void> { swept = co_await services_.blobs.sweep(); });
    return swept;
  }
  std::string count(const std::string& table) {
    return services_.database.value("SELECT count(*) FROM \"" + table + "\"");
  }
  // As InferNode 0.1 stored it.
  BlobId write_former(const std::vector<std::byte>& bytes, std::size_t chunk) {
    const BlobId blob = BlobId::random();
    services_.database.sql("INSERT INTO \"Blobs\" (id, size, expires_at) VALUES ('" +
                           blob.to_string() + "', " + std::to_string(bytes.size()) +
                           ", now() + interval '1 hour')");
    for (std::size_t at = 0; at < bytes.size(); at += chunk) {
      const auto piece = std::span{bytes}.subspan(at, std::min(chunk, bytes.size() - at));
      services_.database.sql("INSERT INTO \"BlobChunks\" VALUES ('" + blob.to_string() + "', " +
                             std::to_string(at) + ", '\\x" + hex(piece) + "')");
    }
    return blob;
  }

  Services services_;
};

TEST_F(Blobs, ComeBackAsTheyWereFromAnyOffset) {
  const auto bytes = pattern(2 * BlobStore::kChunkBytes + 1234, 1);
  const BlobId blob = write(bytes);
  for (const std::int64_t offset :
       {std::int64_t{0}, std::int64_t{1}, std::int64_t{BlobStore::kChunkBytes} - 1,
        std::int64_t{BlobStore::kChunkBytes}, static_cast<std::int64_t>(bytes.size()) - 1}) {
    const std::vector<std::byte> expected(bytes.begin() + offset, bytes.end());
    EXPECT_EQ(read(blob, offset, 300'000), expected) << offset;
  }
  EXPECT_TRUE(read(blob, static_cast<std::int64_t>(bytes.size()), 100).empty());
}

TEST_F(Blobs, FormerOnesAreReadAsTheyAre) {
  const auto bytes = pattern(5000, 2);
  const BlobId blob = write_former(bytes, 1700);
  EXPECT_EQ(read(blob, 0, 1000), bytes);
  EXPECT_EQ(read(blob, 4999, 1000).size(), 1U);
  EXPECT_TRUE(read(blob, 5000, 1000).empty());
}

// What an assembly makes of segments that both versions worked on.
TEST_F(Blobs, AreSplicedFromBothForms) {
  std::vector<std::byte> expected;
  std::vector<BlobStore::Splice> splices;
  const BlobId whole = BlobId::random();
  for (int i = 0; i < 6; ++i) {
    const std::size_t size = 700 + 100 * static_cast<std::size_t>(i);
    const auto bytes = pattern(size, i);
    const BlobId part = i % 2 == 0 ? write(bytes) : write_former(bytes, 300);
    splices.push_back({part, whole, static_cast<std::int64_t>(expected.size())});
    expected.insert(expected.end(), bytes.begin(), bytes.end());
  }
  services_.database.run([&]() -> asio::awaitable<void> {
    auto transaction = co_await services_.pool.begin();
    services_.blobs.stage(transaction, whole);
    services_.blobs.splice(transaction, splices);
    co_await transaction.commit();
  });
  EXPECT_EQ(count("Blobs"), "1");
  for (const std::size_t piece : {1UL, 7UL, 250UL, 10'000UL}) {
    EXPECT_EQ(read(whole, 0, piece), expected) << piece;
  }
}

// Most blobs have one part, so the planner takes every blob for one of few parts; a statement that
// is only right about those walks all the parts of a long one.
TEST_F(Blobs, AreReadAtTheSameCostHoweverManyPartsTheyHave) {
  Services services{1};
  const BlobId whole = BlobId::random();
  services.database.sql(
      "INSERT INTO \"Blobs\" (id, size) VALUES ('" + whole.to_string() +
      "', 40000);"
      "CREATE TABLE made AS SELECT n, gen_random_uuid() AS blob, gen_random_uuid() AS chunk"
      "  FROM generate_series(0, 19999) AS n;"
      "INSERT INTO \"Blobs\" (id, size) SELECT blob, 10 FROM made;"
      "INSERT INTO \"BlobParts\" SELECT blob, 0, 10, chunk FROM made;"
      "INSERT INTO \"BlobParts\" SELECT '" +
      whole.to_string() +
      "', n * 10, 10, chunk FROM made WHERE n < 4000;"
      "INSERT INTO \"Chunks\" SELECT chunk, '0123456789' FROM made WHERE n < 4000;"
      "DROP TABLE made; ANALYZE");
  const auto entries_read = [&] {
    return std::stoll(services.database.value(
        "SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = 'BlobParts_pkey'"));
  };
  constexpr db::Statement kFlush{"test.flush",
                                 "SELECT pg_stat_force_next_flush()::text AS flushed"};
  long long before = 0;
  services.database.run([&]() -> asio::awaitable<void> {
    co_await services.pool.execute(kFlush);
    before = entries_read();
    for (int i = 0; i < 10; ++i) {  // so often that its plan is the generic one
      const auto bytes = co_await services.blobs.read(whole, 39'005 - i, 3);
      EXPECT_EQ(bytes.size(), 3U);
    }
    co_await services.pool.execute(kFlush);
  });
  const auto read = entries_read() - before;
  EXPECT_GE(read, 20);
  EXPECT_LE(read, 100);
}

TEST_F(Blobs, WhatNobodyAdoptedGoesWhole) {
  write(pattern(2 * BlobStore::kChunkBytes + 5, 3));
  write_former(pattern(900, 4), 300);
  EXPECT_EQ(sweep(), 0);
  services_.database.pass_time(std::chrono::minutes{61});
  EXPECT_EQ(sweep(), 2);
  for (const char* table : {"Blobs", "BlobParts", "BlobChunks", "Chunks"}) {
    EXPECT_EQ(count(table), "0") << table;
  }
}

TEST_F(Blobs, WhatIsWrittenToLives) {
  const BlobId blob = write(pattern(10, 5));
  services_.database.pass_time(std::chrono::minutes{50});
  services_.database.run([&]() -> asio::awaitable<void> { co_await services_.blobs.keep(blob); });
  services_.database.pass_time(std::chrono::minutes{50});
  EXPECT_EQ(sweep(), 0);
  services_.database.pass_time(std::chrono::minutes{11});
  EXPECT_EQ(sweep(), 1);
}

TEST_F(Blobs, OnesThatExpiredCannotBeAdopted) {
  const BlobId blob = write(pattern(10, 6));
  services_.database.pass_time(std::chrono::minutes{61});
  EXPECT_EQ(sweep(), 1);
  bool refused = false;
  services_.database.run([&]() -> asio::awaitable<void> {
    auto transaction = co_await services_.pool.begin();
    services_.blobs.adopt(transaction, blob, 10, std::nullopt);
    try {
      co_await transaction.commit();
    } catch (const Unavailable&) {
      refused = true;
    }
  });
  EXPECT_TRUE(refused);
}

// A row that says the wrong thing must not cost what somebody refers to.
TEST_F(Blobs, ReferredOnesStayWhateverTheirRowSays) {
  const auto user = services_.make_user();
  const auto video = services_.make_video(services_.make_dataset(user));
  services_.database.sql("UPDATE \"Blobs\" SET expires_at = now() - interval '1 day'");
  EXPECT_EQ(sweep(), 0);
  services_.database.run([&]() -> asio::awaitable<void> {
    const auto removed = co_await services_.videos.remove(user, video);
    EXPECT_TRUE(removed);
  });
  EXPECT_EQ(sweep(), 1);
  EXPECT_EQ(count("Chunks"), "0");
}

TEST_F(Blobs, DiscardDropsStagedOnesOnly) {
  const BlobId staged = write(pattern(10, 7));
  const BlobId adopted = write(pattern(10, 8));
  services_.database.run([&]() -> asio::awaitable<void> {
    auto transaction = co_await services_.pool.begin();
    services_.blobs.adopt(transaction, adopted, 10, std::nullopt);
    co_await transaction.commit();
    co_await services_.blobs.discard(staged);
    co_await services_.blobs.discard(adopted);
  });
  EXPECT_EQ(count("Blobs"), "1");
  EXPECT_EQ(read(adopted, 0, 100).size(), 10U);
}

TEST_F(Blobs, TruncateTakesBackWhatWasAppended) {
  const auto bytes = pattern(BlobStore::kChunkBytes + 100, 9);
  const BlobId blob = write(bytes);
  services_.database.run([&]() -> asio::awaitable<void> {
    auto transaction = co_await services_.pool.begin();
    services_.blobs.truncate(transaction, blob, BlobStore::kChunkBytes);
    services_.blobs.truncate(transaction, blob, BlobStore::kChunkBytes);
    co_await transaction.commit();
  });
  EXPECT_EQ(read(blob, 0, 1 << 20).size(), BlobStore::kChunkBytes);
  EXPECT_EQ(sweep(), 2);
  EXPECT_EQ(count("Chunks"), "1");
}

// A store whose disk is full, until it is not.
class FullChunks : public PostgresChunks {
public:
  using PostgresChunks::PostgresChunks;
  asio::awaitable<void> put(ChunkId id, std::vector<std::byte> bytes) override {
    if (full) {
      throw db::DiskFull("chunks.insert: could not extend file: No space left on device");
    }
    co_await PostgresChunks::put(id, std::move(bytes));
  }
  bool full = false;
};

TEST_F(Blobs, RememberThatTheDiskIsFull) {
  FullChunks chunks{services_.pool, services_.pool};
  BlobStore blobs{services_.pool, chunks};
  chunks.full = true;
  const auto store = [&]() -> asio::awaitable<bool> {
    BlobWriter writer{blobs};
    std::vector<std::byte> bytes(10);
    co_await writer.write(std::move(bytes));
    try {
      co_await writer.finish();
    } catch (const StorageFull&) {
      co_return false;
    }
    co_return true;
  };
  services_.database.run([&]() -> asio::awaitable<void> {
    const bool stored = co_await store();
    EXPECT_FALSE(stored);
    EXPECT_TRUE(blobs.disk_full());
    bool full = false;
    try {
      co_await blobs.try_room();
    } catch (const StorageFull&) {
      full = true;
    }
    EXPECT_TRUE(full);
    chunks.full = false;
    co_await blobs.try_room();
    EXPECT_FALSE(blobs.disk_full());
    const bool again = co_await store();
    EXPECT_TRUE(again);
  });
  EXPECT_EQ(count("Chunks"), "1");
}

}  // namespace
}  // namespace infernode::test
