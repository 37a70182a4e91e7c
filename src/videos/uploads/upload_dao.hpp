#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/digest.hpp"
#include "core/page.hpp"
#include "db/pool.hpp"
#include "videos/uploads/upload.hpp"
#include "videos/video.hpp"

namespace infernode::upload_dao {

namespace asio = boost::asio;

// Remembers a file that is to arrive; nothing when `most` of the user's do already.
asio::awaitable<bool> insert_receiving(db::Transaction& transaction, UploadId id,
                                       const NewUpload& upload, BlobId file, int keep_seconds,
                                       int most);
// The place from which a file goes on to arrive, held by the caller from now on: nothing when the
// upload is not the user's, does not receive, or has not come to `offset`.
struct Held {
  BlobId file;
  int fence = 0;
  std::vector<std::byte> hash_state;  // none: nothing has arrived
  NewUpload upload;
};
asio::awaitable<std::optional<Held>> hold(db::Transaction& transaction, UserId user, UploadId id,
                                          std::int64_t offset, int keep_seconds);
// Fails with UploadTaken's SQLSTATE when somebody else holds it by now.
db::Command require_held(UploadId id, int fence);
inline constexpr const char* kTakenState = "IUPLD";
// So much has arrived. Whoever runs it calls require_held() before, in the same batch.
db::Command advance(UploadId id, std::int64_t offset, const std::vector<std::byte>& hash_state,
                    int keep_seconds);
// It has arrived whole, and is looked into by the caller.
db::Command begin_probe(UploadId id, const Sha256Digest& sha256, int lease_seconds,
                        int keep_seconds);
// Remembers a file that is looked into by the caller, for `lease_seconds` from now on.
db::Command insert(UploadId id, const NewVideo& video, int lease_seconds);
asio::awaitable<std::optional<Upload>> find(db::Executor& executor, UserId user, UploadId id);
// The newest first: those that are not over.
asio::awaitable<std::vector<Upload>> list_unfinished(db::Executor& executor, UserId user,
                                                     std::optional<Cursor> after, int limit);
// Forgets one, or with `receiving` only one that receives; returns its bytes, if it has any.
// Nothing when it is not the user's.
struct Removed {
  std::optional<BlobId> file;
};
asio::awaitable<std::optional<Removed>> remove(db::Executor& executor, UserId user, UploadId id,
                                               bool receiving);

// One that nobody looks into any more, held by the caller from now on. Without a file where the
// bytes have expired.
struct Claimed {
  UploadId id;
  int fence = 0;
  std::optional<BlobId> file;
  NewVideo video;  // all but what a probe tells
};
asio::awaitable<std::optional<Claimed>> claim(db::Executor& executor, int lease_seconds);
// Likewise one of the user's that was priced, or refused for want of tokens, now to be paid.
asio::awaitable<std::optional<Claimed>> claim_unpaid(db::Executor& executor, UserId user,
                                                     UploadId id, int lease_seconds,
                                                     int keep_seconds);
asio::awaitable<void> renew(db::Executor& executor, UploadId id, int fence, int lease_seconds);

// In a transaction: locks an upload that is looked into by the caller and has no outcome yet;
// nothing when it has, is gone, or was claimed by somebody else since.
struct Open {
  bool confirm = false;
  std::optional<Tokens> cost{};  // that was agreed to
};
asio::awaitable<std::optional<Open>> lock_open(db::Transaction& transaction, UploadId id,
                                               int fence);
db::Command accept(UploadId id, const std::vector<VideoId>& videos, int frames, Tokens cost);
db::Command refuse(UploadId id, const std::string& problem);
// Its bytes are kept: it waits for the user's consent, or for tokens (`problem`).
db::Command wait_for_payment(UploadId id, int frames, Tokens cost,
                             std::optional<std::string> problem, int keep_seconds);

// Forgets what has expired; returns how many.
asio::awaitable<std::int64_t> delete_expired(db::Executor& executor);

}  // namespace infernode::upload_dao
