#include "blobs/blob_store.hpp"

#include <algorithm>
#include <limits>
#include <span>

#include "blobs/blob_dao.hpp"
#include "core/log.hpp"

namespace infernode {
namespace {

constexpr int kLifeSeconds = std::chrono::seconds{BlobStore::kStagingLife}.count();
constexpr int kSweepBatch = 100;  // blobs
constexpr int kChunkBatch = 128;  // chunks (64 MiB): keeps each statement short
constexpr int kReadParts = 64;    // parts a read() joins at most
constexpr std::chrono::minutes kKeepInterval{2};

}  // namespace

void BlobStore::stage(db::Transaction& transaction, BlobId blob) {
  transaction.queue(blob_dao::insert_staged(blob, kLifeSeconds));
}

asio::awaitable<void> BlobStore::noting_full_disk(asio::awaitable<void> storing) {
  try {
    co_await std::move(storing);
    disk_full_.reset();
  } catch (const StorageFull& error) {
    disk_full_ = error.what();
    throw;
  }
}

asio::awaitable<void> BlobStore::put(std::vector<db::Command> rows, ChunkId chunk,
                                     std::vector<std::byte> bytes) {
  if (!rows.empty()) {
    co_await database_.execute_all(std::move(rows));
  }
  co_await chunks_.put(chunk, std::move(bytes));
}

asio::awaitable<void> BlobStore::append(BlobId blob, std::int64_t start,
                                        std::vector<std::byte> chunk, Life life,
                                        std::vector<db::Command> first) {
  if (low_disk_) {
    throw StorageFull(*low_disk_);
  }
  const blob_dao::Part part{start, static_cast<std::int32_t>(chunk.size()), ChunkId::random()};
  const bool contested = !first.empty();
  auto commands = std::move(first);
  if (life == Life::begins) {
    commands.push_back(blob_dao::insert_staged(blob, kLifeSeconds));
  } else if (life == Life::goes_on) {
    commands.push_back(blob_dao::extend_life(blob, kLifeSeconds));
  }
  commands.push_back(blob_dao::insert_part(blob, part));
  auto storing = put(std::move(commands), part.chunk, std::move(chunk));
  co_await noting_full_disk(std::move(storing));
  if (contested) {
    co_await erase_if_orphan(blob, part);
  }
}

asio::awaitable<void> BlobStore::erase_if_orphan(BlobId blob, blob_dao::Part part) {
  if (!co_await blob_dao::has_part(database_, blob, part)) {
    std::vector<ChunkId> chunks{part.chunk};
    co_await chunks_.erase(std::move(chunks));
  }
}

void BlobStore::truncate(db::Transaction& transaction, BlobId blob, std::int64_t size) {
  // A blob that has expired already, for what is taken back.
  const BlobId waste = BlobId::random();
  transaction.queue(blob_dao::insert_staged(waste, 0));
  blob_dao::move_tail(transaction, blob, size, waste);
}

asio::awaitable<void> BlobStore::erase(std::vector<blob_dao::OwnedPart> parts) {
  std::vector<ChunkId> chunks;
  for (const auto& part : parts) {
    chunks.push_back(part.chunk);
  }
  co_await chunks_.erase(std::move(chunks));
  co_await blob_dao::delete_parts(database_, std::move(parts));
}

asio::awaitable<void> BlobStore::keep(BlobId blob, std::chrono::seconds life) {
  std::vector<db::Command> commands;
  commands.push_back(keeping(blob, life));
  co_await database_.execute_all(std::move(commands));
}

db::Command BlobStore::keeping(BlobId blob, std::chrono::seconds life) {
  return blob_dao::extend_life(blob, static_cast<int>(life.count()));
}

void BlobStore::keep(db::Transaction& transaction, BlobId blob, std::chrono::seconds life) {
  transaction.queue(keeping(blob, life));
}

asio::awaitable<bool> BlobStore::reaches_beyond(db::Transaction& transaction, BlobId blob,
                                                std::int64_t size) {
  const auto parts = co_await blob_dao::find_parts(
      transaction, blob, size, std::numeric_limits<std::int64_t>::max() - size, 2);
  co_return !parts.empty() && parts.back().start >= size;
}

asio::awaitable<std::vector<std::byte>> BlobStore::read(BlobId blob, std::int64_t offset,
                                                        std::size_t max_bytes) {
  const auto bytes = static_cast<std::int64_t>(std::min(max_bytes, kChunkBytes));
  const auto parts = co_await blob_dao::find_parts(database_, blob, offset, bytes, kReadParts);
  std::vector<ChunkSlice> slices;
  std::int64_t at = offset;
  const std::int64_t end = offset + bytes;
  for (const auto& part : parts) {
    // A gap is where a piece of a former blob lies.
    if (part.start > at || part.start + part.size <= at) {
      break;
    }
    const std::int64_t size = std::min(part.start + part.size, end) - at;
    slices.push_back(ChunkSlice{part.chunk, static_cast<std::int32_t>(at - part.start),
                                static_cast<std::int32_t>(size)});
    at += size;
  }
  if (slices.empty()) {
    co_return co_await blob_dao::read_former(database_, blob, offset, bytes);
  }
  co_return co_await chunks_.get(std::move(slices));
}

asio::awaitable<void> BlobStore::discard(BlobId blob) {
  co_await blob_dao::mark_staged(database_, blob);
  co_await delete_marked(blob);
}

asio::awaitable<void> BlobStore::abandon(BlobId blob) {
  return blob_dao::mark_staged(database_, blob);
}

asio::awaitable<void> BlobStore::try_discard(BlobId blob) {
  try {
    co_await discard(blob);
  } catch (const std::exception& error) {
    log::warn("what was staged and is not needed stays until it expires: {}", error.what());
  }
}

asio::awaitable<std::int64_t> BlobStore::delete_marked(std::optional<BlobId> only) {
  for (;;) {
    auto parts = co_await blob_dao::list_marked_parts(database_, only, kChunkBatch);
    if (parts.empty()) {
      break;
    }
    co_await erase(std::move(parts));
  }
  for (;;) {
    const auto deleted = co_await blob_dao::delete_marked_former(database_, only, kChunkBatch);
    if (deleted < kChunkBatch) {
      co_return co_await blob_dao::delete_marked(database_, only);
    }
  }
}

asio::awaitable<std::int64_t> BlobStore::sweep() {
  std::int64_t total = 0;
  for (;;) {
    const std::int64_t marked = co_await blob_dao::mark_expired(database_, kSweepBatch);
    total += co_await delete_marked(std::nullopt);
    if (marked < kSweepBatch) {
      co_return total;
    }
  }
}

void BlobStore::expire(db::Transaction& transaction, const std::vector<BlobId>& blobs) {
  blob_dao::expire(transaction, blobs);
}

void BlobStore::adopt(db::Transaction& transaction, BlobId blob, std::int64_t size,
                      std::optional<Sha256Digest> sha256) {
  blob_dao::adopt(transaction, blob, size, sha256);
}

void BlobStore::splice(db::Transaction& transaction, const std::vector<Splice>& splices) {
  if (splices.empty()) {
    return;
  }
  std::vector<blob_dao::Splice> moves;
  std::vector<BlobId> emptied;
  for (const auto& each : splices) {
    moves.push_back(blob_dao::Splice{each.from, each.to, each.base});
    emptied.push_back(each.from);
  }
  blob_dao::splice(transaction, moves);
  blob_dao::remove(transaction, emptied);
}

asio::awaitable<void> BlobStore::try_room() {
  const BlobId blob = BlobId::random();
  std::vector<std::byte> bytes(kChunkBytes);
  co_await append(blob, 0, std::move(bytes), Life::begins);
  co_await discard(blob);
}

asio::awaitable<void> BlobWriter::write(std::vector<std::byte> bytes) {
  std::span<const std::byte> rest{bytes};
  while (!rest.empty()) {
    const std::size_t room = BlobStore::kChunkBytes - buffer_.size();
    const auto piece = rest.first(std::min(room, rest.size()));
    buffer_.insert(buffer_.end(), piece.begin(), piece.end());
    rest = rest.subspan(piece.size());
    if (buffer_.size() == BlobStore::kChunkBytes) {
      std::vector<std::byte> chunk;
      chunk.reserve(BlobStore::kChunkBytes);
      std::swap(chunk, buffer_);
      co_await store(std::move(chunk));
    }
  }
  // A chunk may take hours to fill.
  if (id_ && std::chrono::steady_clock::now() - kept_at_ > kKeepInterval) {
    co_await store_.keep(*id_);
    kept_at_ = std::chrono::steady_clock::now();
  }
}

asio::awaitable<void> BlobWriter::finish() {
  if (!buffer_.empty()) {
    std::vector<std::byte> chunk;
    std::swap(chunk, buffer_);
    co_await store(std::move(chunk));
  }
}

asio::awaitable<void> BlobWriter::store(std::vector<std::byte> chunk) {
  const auto now = std::chrono::steady_clock::now();
  auto life = BlobStore::Life::as_it_is;
  if (!id_) {
    id_ = BlobId::random();
    life = BlobStore::Life::begins;
  } else if (now - kept_at_ > kKeepInterval) {
    life = BlobStore::Life::goes_on;
  }
  const auto size = static_cast<std::int64_t>(chunk.size());
  co_await store_.append(*id_, stored_, std::move(chunk), life);
  stored_ += size;
  if (life != BlobStore::Life::as_it_is) {
    kept_at_ = now;
  }
}

}  // namespace infernode
