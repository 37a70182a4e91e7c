#pragma once

#include "blobs/chunk_store.hpp"
#include "db/pool.hpp"

namespace infernode {

// Chunks as rows of "Chunks". They are written by way of `writing`, which says how many at once;
// both must outlive it.
class PostgresChunks : public ChunkStore {
public:
  PostgresChunks(db::Executor& database, db::Executor& writing)
      : database_{database}, writing_{writing} {}

  asio::awaitable<void> put(ChunkId id, std::vector<std::byte> bytes) override;
  asio::awaitable<std::vector<std::byte>> get(std::vector<ChunkSlice> slices) override;
  asio::awaitable<void> erase(std::vector<ChunkId> ids) override;
  asio::awaitable<std::int64_t> stored_bytes() override;
  asio::awaitable<std::optional<std::string>> folder() override;

private:
  db::Executor& database_;
  db::Executor& writing_;
};

}  // namespace infernode
