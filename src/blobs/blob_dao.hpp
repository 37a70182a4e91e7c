#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <optional>
#include <vector>

#include "blobs/chunk_store.hpp"
#include "core/digest.hpp"
#include "core/id.hpp"
#include "db/pool.hpp"

// Statements on "Blobs", "BlobParts" and (for blobs made before those) "BlobChunks", one a
// function.
namespace infernode::blob_dao {

// A staged blob, which lives for `life_seconds` unless it is kept or adopted.
db::Command insert_staged(BlobId blob, int life_seconds);
db::Command extend_life(BlobId blob, int life_seconds);

// `size` bytes of a blob that begin at `start`.
struct Part {
  std::int64_t start = 0;
  std::int32_t size = 0;
  ChunkId chunk;
};
db::Command insert_part(BlobId blob, const Part& part);
// Whether the blob has it, and is not being deleted.
asio::awaitable<bool> has_part(db::Executor& executor, BlobId blob, Part part);
// The part that holds `offset` and those behind it, up to `limit` of them, that begin less than
// `bytes` further on.
asio::awaitable<std::vector<Part>> find_parts(db::Executor& executor, BlobId blob,
                                              std::int64_t offset, std::int64_t bytes, int limit);
// Up to `max_bytes` from `offset` on out of a blob made before there were parts, at most to the end
// of its piece; nothing when none holds the offset.
asio::awaitable<std::vector<std::byte>> read_former(db::Executor& executor, BlobId blob,
                                                    std::int64_t offset, std::int64_t max_bytes);

// Marks up to `limit` expired blobs that nothing refers to, for good: nobody can keep or adopt them
// any more. Returns how many.
asio::awaitable<std::int64_t> mark_expired(db::Executor& executor, int limit);
// Marks a staged blob; an adopted one is left alone.
asio::awaitable<void> mark_staged(db::Executor& executor, BlobId blob);
struct OwnedPart {
  BlobId blob;
  std::int64_t start = 0;
  ChunkId chunk;
};
// Up to `limit` parts of marked blobs (or of this one).
asio::awaitable<std::vector<OwnedPart>> list_marked_parts(db::Executor& executor,
                                                          std::optional<BlobId> only, int limit);
asio::awaitable<void> delete_parts(db::Executor& executor, std::vector<OwnedPart> parts);
// Deletes up to `limit` former pieces of marked blobs (or of this one); returns how many.
asio::awaitable<std::int64_t> delete_marked_former(db::Executor& executor,
                                                   std::optional<BlobId> only, int limit);
// Deletes marked blobs (or only this one) that have nothing left; returns how many.
asio::awaitable<std::int64_t> delete_marked(db::Executor& executor, std::optional<BlobId> only);

// The transaction fails with BlobExpired when the blob has expired.
void adopt(db::Transaction& transaction, BlobId blob, std::int64_t size,
           std::optional<Sha256Digest> sha256);
// The parts of `from` become those of `to`, `base` bytes further on.
struct Splice {
  BlobId from;
  BlobId to;
  std::int64_t base = 0;
};
void splice(db::Transaction& transaction, const std::vector<Splice>& splices);
// The parts of `blob` that begin at or behind `start` become those of `to`, where they are.
void move_tail(db::Transaction& transaction, BlobId blob, std::int64_t start, BlobId to);
// Blobs that have no parts (any more).
void remove(db::Transaction& transaction, const std::vector<BlobId>& blobs);
// Staged or not, they may be swept from now on.
void expire(db::Transaction& transaction, const std::vector<BlobId>& blobs);

}  // namespace infernode::blob_dao
