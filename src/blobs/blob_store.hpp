#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/digest.hpp"
#include "core/id.hpp"
#include "db/pool.hpp"

namespace infernode {

namespace asio = boost::asio;

// Long binary content, stored in PostgreSQL in chunks. A blob begins as staged: it is swept when
// nobody has adopted it before it expires, so a process that dies half way leaves nothing behind.
// All offsets and sizes are in bytes. Everything here throws db::SqlError or Unavailable only.
class BlobStore {
public:
  // How long a staged blob lives without being written to.
  static constexpr std::chrono::minutes kStagingLife{60};
  static constexpr std::size_t kChunkBytes = 512 * 1024;

  explicit BlobStore(db::Pool& pool) : pool_{pool} {}

  asio::awaitable<BlobId> stage();
  // Adds one chunk (1..1 MiB) that begins at `start`. Also says that the blob is still wanted, when
  // `keep` is set.
  asio::awaitable<void> append(BlobId blob, std::int64_t start, std::vector<std::byte> chunk,
                               bool keep);
  // Says that a staged blob is still wanted.
  asio::awaitable<void> keep(BlobId blob);
  // Up to `max_bytes` from `offset` on, at most to the end of the chunk; empty at the blob's end.
  asio::awaitable<std::vector<std::byte>> read(BlobId blob, std::int64_t offset,
                                               std::size_t max_bytes);
  // Drops a staged blob now rather than when it expires.
  asio::awaitable<void> discard(BlobId blob);
  // Deletes what has expired, and returns how many blobs that were.
  asio::awaitable<std::int64_t> sweep();

  // In the caller's transaction: the blob is complete and something refers to it from now on.
  asio::awaitable<void> adopt(db::Connection& transaction, BlobId blob, std::int64_t size,
                              std::optional<Sha256Digest> sha256);
  // In the caller's transaction: moves the chunks of `from` behind `base` bytes of `to`. No byte is
  // copied; `from` is deleted.
  asio::awaitable<void> splice(db::Connection& transaction, BlobId from, BlobId to,
                               std::int64_t base);

private:
  // Deletes blobs that are marked for it (or only this one), a piece at a time; returns how many.
  asio::awaitable<std::int64_t> delete_doomed(std::optional<BlobId> only);

  db::Pool& pool_;
};

// Collects bytes into chunks of a staged blob. Discards nothing by itself: an unfinished blob
// expires.
class BlobWriter {
public:
  explicit BlobWriter(BlobStore& store) : store_{store} {}

  asio::awaitable<void> write(std::vector<std::byte> bytes);
  // Stores what is still in memory. A blob of no bytes has no chunk.
  asio::awaitable<void> finish();
  // nullopt before the first byte was stored.
  std::optional<BlobId> id() const { return id_; }
  std::int64_t size() const { return stored_ + static_cast<std::int64_t>(buffer_.size()); }

private:
  asio::awaitable<void> store(std::vector<std::byte> chunk);

  BlobStore& store_;
  std::optional<BlobId> id_;
  std::vector<std::byte> buffer_;
  std::int64_t stored_ = 0;
  std::chrono::steady_clock::time_point kept_at_{};
};

}  // namespace infernode
