#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>

#include "blobs/storage_dao.hpp"
#include "core/error.hpp"
#include "core/id.hpp"
#include "db/pool.hpp"

namespace infernode {

namespace asio = boost::asio;

struct StorageLimits {
  std::int64_t quota = 53'687'091'200;  // bytes of one user, unless it has a quota of its own
  int uploads_at_once = 100;            // of one user
};

// How much each user may store: the bytes of its videos and results, and what arrives. Videos and
// results count with their size from when they are there; who uploads reserves room before the
// bytes come, so uploads never pass the quota, however many come at once. `database` must outlive
// it.
class StorageQuota {
public:
  StorageQuota(db::Pool& database, StorageLimits limits) : database_{database}, limits_{limits} {}

  // Makes a staged blob of the user's, with room for `least` bytes or, where they fit, `most`; or
  // adds so much to one that was made so. Returns how many bytes it was. quota_exceeded: `least`
  // does not fit. too_many_requests: too many uploads of the user arrive already.
  asio::awaitable<Result<std::int64_t>> reserve(BlobId blob, UserId user, std::int64_t least,
                                                std::int64_t most);
  // The same in the caller's transaction, which is to end soon: others of the user wait for it.
  asio::awaitable<Result<std::int64_t>> reserve(db::Transaction& transaction, BlobId blob,
                                                UserId user, std::int64_t least, std::int64_t most);
  // Keeps only so many of the bytes that were reserved for a staged blob.
  asio::awaitable<void> give_back(BlobId blob, std::int64_t keeps);
  asio::awaitable<void> give_back(db::Transaction& transaction, BlobId blob, std::int64_t keeps);
  // In the caller's transaction; see check().
  void read(db::Transaction& transaction, UserId user, storage_dao::Usage& usage) const;
  // Whether anything may be added to what was read: quota_exceeded when it is full.
  Result<void> check(const storage_dao::Usage& usage) const;

  std::int64_t default_quota() const { return limits_.quota; }
  const StorageLimits& limits() const { return limits_; }
  // Keeps the sums short. Returns for how many users.
  asio::awaitable<std::int64_t> fold();

private:
  db::Pool& database_;
  StorageLimits limits_;
};

}  // namespace infernode
