#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/id.hpp"
#include "db/connection.hpp"

// Statements on "Blobs" and "BlobChunks", one a function.
namespace infernode::blob_dao {

namespace asio = boost::asio;

asio::awaitable<void> insert_staged(db::Connection& connection, BlobId blob, int life_seconds);
asio::awaitable<void> insert_chunk(db::Connection& connection, BlobId blob, std::int64_t start,
                                   std::vector<std::byte> bytes);
asio::awaitable<void> extend_life(db::Connection& connection, BlobId blob, int life_seconds);
asio::awaitable<std::vector<std::byte>> read_range(db::Connection& connection, BlobId blob,
                                                   std::int64_t offset, std::int64_t max_bytes);
asio::awaitable<void> delete_if_staged(db::Connection& connection, BlobId blob);
asio::awaitable<std::int64_t> delete_expired(db::Connection& connection, int limit);
asio::awaitable<bool> adopt(db::Connection& connection, BlobId blob, std::int64_t size,
                            std::optional<std::vector<std::byte>> sha256);
asio::awaitable<void> move_chunks(db::Connection& connection, BlobId from, BlobId to,
                                  std::int64_t base);
asio::awaitable<void> remove(db::Connection& connection, BlobId blob);

}  // namespace infernode::blob_dao
