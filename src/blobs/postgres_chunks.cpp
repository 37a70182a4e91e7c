#include "blobs/postgres_chunks.hpp"

#include <stdexcept>

#include "blobs/chunk_dao.hpp"

namespace infernode {

asio::awaitable<void> PostgresChunks::put(ChunkId id, std::vector<std::byte> bytes) {
  co_await chunk_dao::insert(writing_, id, std::move(bytes));
}

asio::awaitable<std::vector<std::byte>> PostgresChunks::get(std::vector<ChunkSlice> slices) {
  std::size_t expected = 0;
  for (const auto& slice : slices) {
    expected += static_cast<std::size_t>(slice.size);
  }
  auto bytes = co_await chunk_dao::read(database_, std::move(slices));
  if (bytes.size() != expected) {
    throw std::runtime_error("a stored chunk is missing");
  }
  co_return bytes;
}

asio::awaitable<void> PostgresChunks::erase(std::vector<ChunkId> ids) {
  co_await chunk_dao::remove(database_, std::move(ids));
}

asio::awaitable<std::int64_t> PostgresChunks::stored_bytes() {
  co_return co_await chunk_dao::stored_bytes(database_);
}

asio::awaitable<std::optional<std::string>> PostgresChunks::folder() {
  return chunk_dao::find_folder(database_);
}

}  // namespace infernode
