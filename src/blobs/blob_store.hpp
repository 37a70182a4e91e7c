#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "blobs/chunk_store.hpp"
#include "core/digest.hpp"
#include "core/error.hpp"
#include "core/id.hpp"
#include "db/pool.hpp"

namespace infernode {

namespace blob_dao {
struct OwnedPart;
struct Part;
}  // namespace blob_dao

// A staged blob is gone: nobody wrote to it or kept it for too long.
class BlobExpired : public Unavailable {
public:
  using Unavailable::Unavailable;
};

// Long binary content. What a blob consists of is rows of parts in PostgreSQL; the bytes of the
// parts are in a chunk store. A blob begins as staged: it is swept when nobody has adopted it
// before it expires, so a process that dies half way leaves nothing behind. A part is written
// before its chunk and deleted after it, so a process that dies leaves no chunk without a part.
// (Not ruled out but where append() has a `first`: a part deleted between the two, as when a job is
// aborted right then; its chunk stays.) All offsets and sizes are in bytes. Everything here throws
// what the database and the chunk store throw; db::DiskFull is remembered (see disk_full()).
class BlobStore {
public:
  // How long a staged blob lives without being written to.
  static constexpr std::chrono::minutes kStagingLife{60};
  static constexpr std::size_t kChunkBytes = 512 * 1024;

  // Both must outlive it.
  BlobStore(db::Pool& database, ChunkStore& chunks) : database_{database}, chunks_{chunks} {}

  // In the caller's transaction: a new staged blob.
  void stage(db::Transaction& transaction, BlobId blob);
  enum class Life { as_it_is, begins, goes_on };
  // Adds one chunk (1..1 MiB) that begins at `start`. With `begins` the blob is staged first, with
  // `goes_on` its life begins anew. The part is added in one transaction with `first`.
  asio::awaitable<void> append(BlobId blob, std::int64_t start, std::vector<std::byte> chunk,
                               Life life, std::vector<db::Command> first = {});
  // Says that a staged blob is still wanted.
  asio::awaitable<void> keep(BlobId blob, std::chrono::seconds life = kStagingLife);
  void keep(db::Transaction& transaction, BlobId blob, std::chrono::seconds life = kStagingLife);
  // What keep() does, as a command among others.
  static db::Command keeping(BlobId blob, std::chrono::seconds life);
  // Up to `max_bytes` from `offset` on, maybe fewer; empty at the blob's end.
  asio::awaitable<std::vector<std::byte>> read(BlobId blob, std::int64_t offset,
                                               std::size_t max_bytes);
  // Drops a staged blob now rather than when it expires.
  asio::awaitable<void> discard(BlobId blob);
  // Says that it is dropped, and leaves its bytes to the sweep, however many they are.
  asio::awaitable<void> abandon(BlobId blob);
  // The same for whoever has something else to report: throws nothing, as it expires in any case.
  asio::awaitable<void> try_discard(BlobId blob);
  // Deletes what has expired, and returns how many blobs that were.
  asio::awaitable<std::int64_t> sweep();
  // In the caller's transaction, in which nothing refers to them any more: they may be swept from
  // now on.
  void expire(db::Transaction& transaction, const std::vector<BlobId>& blobs);

  // In the caller's transaction: the blob is complete and something refers to it from now on. The
  // transaction fails with BlobExpired when it has.
  void adopt(db::Transaction& transaction, BlobId blob, std::int64_t size,
             std::optional<Sha256Digest> sha256);
  // In the caller's transaction: what `from` consists of becomes part of `to`, `base` bytes after
  // its beginning, and `from` is deleted. No byte is copied.
  struct Splice {
    BlobId from;
    BlobId to;
    std::int64_t base = 0;
  };
  void splice(db::Transaction& transaction, const std::vector<Splice>& splices);
  // In the caller's transaction, takes back what was appended from `size` on, at a chunk's
  // beginning; the sweep deletes it.
  void truncate(db::Transaction& transaction, BlobId blob, std::int64_t size);
  // In the caller's transaction: whether anything was appended from `size` on.
  asio::awaitable<bool> reaches_beyond(db::Transaction& transaction, BlobId blob,
                                       std::int64_t size);

  // Why nothing can be stored; nullopt when, as far as this process has seen, it can.
  const std::optional<std::string>& disk_full() const { return low_disk_ ? low_disk_ : disk_full_; }
  // As long as there is a reason, nothing is stored: append() throws StorageFull.
  void set_low_disk(std::optional<std::string> reason) { low_disk_ = std::move(reason); }
  // Tries to store a chunk and takes it back. Forgets disk_full() when there is room.
  asio::awaitable<void> try_room();

private:
  // Deletes marked blobs (or only this one), a piece at a time; returns how many.
  asio::awaitable<std::int64_t> delete_marked(std::optional<BlobId> only);
  asio::awaitable<void> erase(std::vector<blob_dao::OwnedPart> parts);
  // The rows first, then the chunk that they speak of.
  asio::awaitable<void> put(std::vector<db::Command> rows, ChunkId chunk,
                            std::vector<std::byte> bytes);
  // A chunk whose part went while it was put would be nobody's.
  asio::awaitable<void> erase_if_orphan(BlobId blob, blob_dao::Part part);
  asio::awaitable<void> noting_full_disk(asio::awaitable<void> storing);

  db::Pool& database_;
  ChunkStore& chunks_;
  std::optional<std::string> disk_full_;  // PostgreSQL said so
  std::optional<std::string> low_disk_;   // too little is left
};

// Collects bytes into chunks of a staged blob. Discards nothing by itself: an unfinished blob
// expires.
class BlobWriter {
public:
  explicit BlobWriter(BlobStore& store) : store_{store} {}
  // Into a blob that was staged a moment ago.
  BlobWriter(BlobStore& store, BlobId staged)
      : store_{store}, id_{staged}, kept_at_{std::chrono::steady_clock::now()} {}

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
