#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <optional>

#include "core/id.hpp"
#include "db/pool.hpp"

// Statements on "StorageEntries", one a function: what users store, in bytes.
namespace infernode::storage_dao {

namespace asio = boost::asio;

struct Reserved {
  std::optional<std::int64_t> granted;  // none: it does not fit
  std::int64_t used = 0;                // before
  std::int64_t quota = 0;
  std::optional<std::int64_t> arriving;  // of the user's, when the blob was to be made
};
struct Wanted {
  BlobId blob;
  UserId user;
  std::int64_t least = 0;
  std::int64_t most = 0;
};
// See reserve_storage() in the migrations.
asio::awaitable<Reserved> reserve(db::Executor& executor, Wanted wanted, std::int64_t default_quota,
                                  int at_once, int life_seconds);
// Keeps only so many of the bytes that were reserved for a staged blob.
asio::awaitable<void> give_back(db::Executor& executor, BlobId blob, std::int64_t keeps);
struct Usage {
  std::int64_t used = 0;
  std::optional<std::int64_t> quota;  // of the user's own
};
// When the transaction's next results come.
void read(db::Transaction& transaction, UserId user, Usage& usage);
// Adds up the entries of up to `limit` users that have many; returns of how many.
asio::awaitable<std::int64_t> fold(db::Executor& executor, int limit);

}  // namespace infernode::storage_dao
