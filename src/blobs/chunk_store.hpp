#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/id.hpp"

namespace infernode {

namespace asio = boost::asio;

using ChunkId = Id<struct ChunkTag>;

// A run of bytes inside a chunk.
struct ChunkSlice {
  ChunkId chunk;
  std::int32_t skip = 0;  // bytes before it
  std::int32_t size = 0;  // bytes
};

// Keeps chunks of bytes by ids that the caller makes. Which blob a chunk belongs to is none of its
// business. Throws Unavailable, db::SqlError or another std::exception when the store fails.
class ChunkStore {
public:
  virtual ~ChunkStore() = default;
  // A chunk is put once, and whole before this returns.
  virtual asio::awaitable<void> put(ChunkId id, std::vector<std::byte> bytes) = 0;
  // The slices, one behind the other. Throws std::runtime_error when a chunk is not there.
  virtual asio::awaitable<std::vector<std::byte>> get(std::vector<ChunkSlice> slices) = 0;
  // Chunks that are not there are passed over.
  virtual asio::awaitable<void> erase(std::vector<ChunkId> ids) = 0;
  // What all of them take up, in bytes; about, and cheap to ask for.
  virtual asio::awaitable<std::int64_t> stored_bytes() = 0;
  // The folder they lie in, on the store's machine; nullopt when it does not say.
  virtual asio::awaitable<std::optional<std::string>> folder() = 0;
};

}  // namespace infernode
