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
// Marks up to `limit` expired blobs for deletion, for ever; returns how many.
asio::awaitable<std::int64_t> doom_expired(db::Connection& connection, int limit);
// Marks a staged blob for deletion; an adopted one is left alone.
asio::awaitable<void> doom_staged(db::Connection& connection, BlobId blob);
// Deletes up to `limit` chunks of the blobs that are marked (or of this one); returns how many.
asio::awaitable<std::int64_t> delete_doomed_chunks(db::Connection& connection,
                                                   std::optional<BlobId> only, int limit);
// Deletes marked blobs (or only this one) that have no chunk left; returns how many.
asio::awaitable<std::int64_t> delete_doomed(db::Connection& connection, std::optional<BlobId> only);
asio::awaitable<bool> adopt(db::Connection& connection, BlobId blob, std::int64_t size,
                            std::optional<std::vector<std::byte>> sha256);
asio::awaitable<void> move_chunks(db::Connection& connection, BlobId from, BlobId to,
                                  std::int64_t base);
asio::awaitable<void> remove(db::Connection& connection, BlobId blob);

}  // namespace infernode::blob_dao
