#pragma once

#include "blobs/chunk_store.hpp"
#include "db/pool.hpp"

namespace infernode {

// Chunks as rows of "Chunks". `database` must outlive it.
class PostgresChunks : public ChunkStore {
public:
  explicit PostgresChunks(db::Executor& database) : database_{database} {}

  asio::awaitable<void> put(ChunkId id, std::vector<std::byte> bytes) override;
  asio::awaitable<std::vector<std::byte>> get(std::vector<ChunkSlice> slices) override;
  asio::awaitable<void> erase(std::vector<ChunkId> ids) override;
  asio::awaitable<std::int64_t> stored_bytes() override;
  asio::awaitable<std::optional<std::string>> folder() override;

private:
  db::Executor& database_;
};

}  // namespace infernode
