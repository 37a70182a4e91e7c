#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>

#include "db/pool.hpp"
#include "videos/uploads/upload.hpp"
#include "videos/video.hpp"

namespace infernode::upload_dao {

namespace asio = boost::asio;

// Remembers a file that is looked into by the caller, for `lease_seconds` from now on.
db::Command insert(UploadId id, const NewVideo& video, int lease_seconds);
asio::awaitable<std::optional<Upload>> find(db::Executor& executor, UserId user, UploadId id);

// One that nobody looks into any more, held by the caller from now on. Without a file where the
// bytes have expired.
struct Claimed {
  UploadId id;
  std::optional<BlobId> file;
  NewVideo video;  // all but what a probe tells
};
asio::awaitable<std::optional<Claimed>> claim(db::Executor& executor, int lease_seconds);
asio::awaitable<void> renew(db::Executor& executor, UploadId id, int lease_seconds);

// In a transaction: locks an upload that has no outcome yet; false when it has, or is gone.
asio::awaitable<bool> lock_open(db::Transaction& transaction, UploadId id);
db::Command accept(UploadId id, VideoId video, int frames, Tokens cost);
db::Command refuse(UploadId id, const std::string& problem);

// Forgets what has expired; returns how many.
asio::awaitable<std::int64_t> delete_expired(db::Executor& executor);

}  // namespace infernode::upload_dao
