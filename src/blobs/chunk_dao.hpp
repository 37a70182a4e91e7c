#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "blobs/chunk_store.hpp"
#include "db/pool.hpp"

// Statements on "Chunks", one a function.
namespace infernode::chunk_dao {

asio::awaitable<void> insert(db::Executor& executor, ChunkId id, std::vector<std::byte> bytes);
// The slices one behind the other; those of chunks that are not there are left out.
asio::awaitable<std::vector<std::byte>> read(db::Executor& executor,
                                             std::vector<ChunkSlice> slices);
asio::awaitable<void> remove(db::Executor& executor, std::vector<ChunkId> ids);
asio::awaitable<std::int64_t> stored_bytes(db::Executor& executor);
// Where PostgreSQL keeps them on its own machine, if this user may know.
asio::awaitable<std::optional<std::string>> find_folder(db::Executor& executor);

}  // namespace infernode::chunk_dao
