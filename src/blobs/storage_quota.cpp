#include "blobs/storage_quota.hpp"

#include <fmt/format.h>

#include "blobs/blob_store.hpp"

namespace infernode {
namespace {

constexpr int kFoldBatch = 1000;  // users
constexpr int kBusyRetrySeconds = 5;

Error quota_exceeded(std::int64_t used, std::int64_t quota) {
  Error error{ErrorCode::quota_exceeded,
              fmt::format("You store {} bytes and may store {}; delete videos, jobs or datasets "
                          "(and purge these), or ask for more.",
                          used, quota)};
  error.used = used;
  error.quota = quota;
  return error;
}

}  // namespace

asio::awaitable<Result<std::int64_t>> StorageQuota::reserve(BlobId blob, UserId user,
                                                            std::int64_t least, std::int64_t most) {
  // Others of the user wait for it, so it is over before anything else is done.
  auto transaction = co_await database_.begin();
  auto reserved = co_await reserve(transaction, blob, user, least, most);
  if (reserved) {
    co_await transaction.commit();
  }
  co_return reserved;
}

asio::awaitable<Result<std::int64_t>> StorageQuota::reserve(db::Transaction& transaction,
                                                            BlobId blob, UserId user,
                                                            std::int64_t least, std::int64_t most) {
  constexpr auto kLife = std::chrono::seconds{BlobStore::kStagingLife}.count();
  const storage_dao::Wanted wanted{blob, user, least, most};
  const auto reserved = co_await storage_dao::reserve(
      transaction, wanted, limits_.quota, limits_.uploads_at_once, static_cast<int>(kLife));
  if (!reserved.granted) {
    co_return quota_exceeded(reserved.used, reserved.quota);
  }
  if (reserved.arriving.value_or(0) >= limits_.uploads_at_once) {
    Error error{ErrorCode::too_many_requests,
                fmt::format("{} uploads of yours are under way, and no more may be at once.",
                            *reserved.arriving)};
    error.retry_after = kBusyRetrySeconds;
    co_return error;
  }
  co_return *reserved.granted;
}

asio::awaitable<void> StorageQuota::give_back(BlobId blob, std::int64_t keeps) {
  return storage_dao::give_back(database_, blob, keeps);
}

asio::awaitable<void> StorageQuota::give_back(db::Transaction& transaction, BlobId blob,
                                              std::int64_t keeps) {
  return storage_dao::give_back(transaction, blob, keeps);
}

void StorageQuota::read(db::Transaction& transaction, UserId user,
                        storage_dao::Usage& usage) const {
  storage_dao::read(transaction, user, usage);
}

Result<void> StorageQuota::check(const storage_dao::Usage& usage) const {
  const auto quota = usage.quota.value_or(limits_.quota);
  if (usage.used >= quota) {
    return quota_exceeded(usage.used, quota);
  }
  return {};
}

asio::awaitable<std::int64_t> StorageQuota::fold() {
  std::int64_t total = 0;
  for (;;) {
    const auto folded = co_await storage_dao::fold(database_, kFoldBatch);
    total += folded;
    if (folded < kFoldBatch) {
      co_return total;
    }
  }
}

}  // namespace infernode
