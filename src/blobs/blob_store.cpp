#include "blobs/blob_store.hpp"

#include <algorithm>

#include "blobs/blob_dao.hpp"

namespace infernode {
namespace {

constexpr int kLifeSeconds = std::chrono::seconds{BlobStore::kStagingLife}.count();
constexpr int kSweepBatch = 100;  // blobs
constexpr int kChunkBatch = 128;  // chunks (64 MiB): keeps each statement short
constexpr std::chrono::minutes kKeepInterval{2};

}  // namespace

asio::awaitable<BlobId> BlobStore::stage() {
  const BlobId blob = BlobId::random();
  const auto connection = co_await pool_.acquire();
  co_await blob_dao::insert_staged(*connection, blob, kLifeSeconds);
  co_return blob;
}

asio::awaitable<void> BlobStore::append(BlobId blob, std::int64_t start,
                                        std::vector<std::byte> chunk, bool keep) {
  const auto connection = co_await pool_.acquire();
  co_await blob_dao::insert_chunk(*connection, blob, start, std::move(chunk));
  if (keep) {
    co_await blob_dao::extend_life(*connection, blob, kLifeSeconds);
  }
}

asio::awaitable<void> BlobStore::keep(BlobId blob) {
  const auto connection = co_await pool_.acquire();
  co_await blob_dao::extend_life(*connection, blob, kLifeSeconds);
}

asio::awaitable<std::vector<std::byte>> BlobStore::read(BlobId blob, std::int64_t offset,
                                                        std::size_t max_bytes) {
  const auto connection = co_await pool_.acquire();
  co_return co_await blob_dao::read_range(*connection, blob, offset,
                                          static_cast<std::int64_t>(max_bytes));
}

asio::awaitable<void> BlobStore::discard(BlobId blob) {
  {
    const auto connection = co_await pool_.acquire();
    co_await blob_dao::doom_staged(*connection, blob);
  }
  co_await delete_doomed(blob);
}

asio::awaitable<std::int64_t> BlobStore::delete_doomed(std::optional<BlobId> only) {
  for (;;) {
    const auto connection = co_await pool_.acquire();
    const std::int64_t deleted =
        co_await blob_dao::delete_doomed_chunks(*connection, only, kChunkBatch);
    if (deleted < kChunkBatch) {
      co_return co_await blob_dao::delete_doomed(*connection, only);
    }
  }
}

asio::awaitable<std::int64_t> BlobStore::sweep() {
  std::int64_t total = 0;
  for (;;) {
    std::int64_t doomed = 0;
    {
      const auto connection = co_await pool_.acquire();
      doomed = co_await blob_dao::doom_expired(*connection, kSweepBatch);
    }
    total += co_await delete_doomed(std::nullopt);
    if (doomed < kSweepBatch) {
      co_return total;
    }
  }
}

asio::awaitable<void> BlobStore::adopt(db::Connection& transaction, BlobId blob, std::int64_t size,
                                       std::optional<Sha256Digest> sha256) {
  std::optional<std::vector<std::byte>> digest;
  if (sha256) {
    digest.emplace(sha256->begin(), sha256->end());
  }
  const bool adopted = co_await blob_dao::adopt(transaction, blob, size, std::move(digest));
  if (!adopted) {
    throw Unavailable("a staged blob expired before it was complete");
  }
}

asio::awaitable<void> BlobStore::splice(db::Connection& transaction, BlobId from, BlobId to,
                                        std::int64_t base) {
  co_await blob_dao::move_chunks(transaction, from, to, base);
  co_await blob_dao::remove(transaction, from);
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
  if (!id_) {
    id_ = co_await store_.stage();
    kept_at_ = now;
  }
  const bool keep = now - kept_at_ > kKeepInterval;
  const auto size = static_cast<std::int64_t>(chunk.size());
  co_await store_.append(*id_, stored_, std::move(chunk), keep);
  stored_ += size;
  if (keep) {
    kept_at_ = now;
  }
}

}  // namespace infernode
