#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <vector>

#include "core/digest.hpp"
#include "core/error.hpp"
#include "core/page.hpp"
#include "db/pool.hpp"
#include "videos/uploads/pending_probe.hpp"
#include "videos/uploads/upload.hpp"
#include "videos/video_ingest.hpp"

namespace infernode {

// Somebody else goes on with an upload, or it is gone: what this connection sends does not count.
class UploadTaken : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

// How an upload that is looked into comes to its end.
class UploadOutcome {
public:
  explicit UploadOutcome(const asio::any_io_executor& executor) : ended_{executor} {}
  // Waits for it, but not for longer than that.
  asio::awaitable<void> wait(std::chrono::steady_clock::duration most);
  void tell();

private:
  asio::steady_timer ended_;
  bool over_ = false;
};

// Where an upload goes on, for the one connection that holds it.
struct ReceivingUpload {
  UploadId id;
  BlobId file;
  int fence = 0;
  std::int64_t offset = 0;  // bytes that are stored and count
  Sha256 sha;               // of these
  NewUpload upload;
  std::shared_ptr<UploadOutcome> outcome{};  // once all have come
};

// Files that arrive in pieces, on whatever connection and server, and those whose client was told
// to come back: they are looked into while nobody waits on the line, by the process that received
// them or, should it die, by another. `database` and `ingest` must outlive it.
class UploadService {
public:
  // How long bytes are kept that nobody has added to, or paid for.
  static constexpr std::chrono::hours kUploadLife{24};

  UploadService(asio::any_io_executor executor, db::Pool& database, VideoIngest& ingest)
      : executor_{std::move(executor)}, database_{database}, ingest_{ingest} {}

  asio::awaitable<Result<Upload>> find(UserId user, UploadId id);
  // Those that receive, are looked into, or wait for being paid; the newest first, one more than a
  // page holds.
  asio::awaitable<std::vector<Upload>> list(UserId user, PageRequest page);
  // Forgets an upload and its bytes; a video that came of it stays.
  asio::awaitable<Result<void>> remove(UserId user, UploadId id);
  // Likewise one whose place nobody was told, unless all of it has come.
  asio::awaitable<void> abandon(UserId user, UploadId id);

  // Makes room for a file that comes in pieces and passed VideoIngest::check. What
  // StorageQuota::reserve refuses; too_many_requests: too many of the user's arrive already.
  asio::awaitable<Result<Upload>> create(db::Transaction& transaction, NewUpload upload);
  // Goes on at `offset`: whoever did so before does not count any more. conflict: the upload has
  // come to another offset, or receives no more.
  asio::awaitable<Result<ReceivingUpload>> hold(UserId user, UploadId id, std::int64_t offset);
  // Stores a chunk behind those before, which does not count yet. Throws UploadTaken.
  asio::awaitable<void> store(ReceivingUpload& receiving, std::int64_t start,
                              std::vector<std::byte> chunk);
  // What was stored up to `offset` counts; `sha` is of all that. When that is all of the file, it
  // is looked into from then on. Throws UploadTaken.
  asio::awaitable<void> advance(ReceivingUpload& receiving, std::int64_t offset, Sha256 sha);

  // Pays for one that waits for that, whose bytes are looked into once more; it is priced anew if
  // it costs more by now. conflict: it does not.
  asio::awaitable<Result<std::shared_ptr<UploadOutcome>>> accept(UserId user, UploadId id);

  // In the caller's transaction: remembers a staged file. After its commit the caller calls
  // follow(), with kFirstFence.
  asio::awaitable<Upload> add(db::Transaction& transaction, UploadId id, NewVideo video);
  static constexpr int kFirstFence = 0;
  // Sees it through in the background, unless somebody else does by now: a probe that is under way,
  // or one that begins now (nullptr).
  std::shared_ptr<UploadOutcome> follow(UploadId id, int fence, NewVideo video,
                                        std::shared_ptr<PendingProbe> probe);

  // Goes on with those that nobody looks into any more.
  asio::awaitable<void> resume();
  // Forgets what has expired; returns how many.
  asio::awaitable<std::int64_t> sweep();

  VideoIngest& ingest() const { return ingest_; }
  const asio::any_io_executor& executor() const { return executor_; }

private:
  // Forgets one, or with `receiving` only one that receives; whether there was one.
  asio::awaitable<bool> drop(UserId user, UploadId id, bool receiving);
  asio::awaitable<void> see_through(UploadId id, int fence, BlobId file,
                                    std::shared_ptr<PendingProbe> probe);
  asio::awaitable<void> end(UploadId id, int fence, BlobId file, Result<NewVideos> found);
  // Makes videos of what was found and pays for them, or waits for consent. An Error changes
  // nothing; false: the bytes of a ZIP's files are not needed.
  asio::awaitable<Result<bool>> try_accept(UploadId id, int fence, BlobId file, NewVideos found);
  asio::awaitable<void> refuse(UploadId id, int fence, BlobId file, Error error);
  // Refused for want of tokens: the bytes stay.
  asio::awaitable<void> await_payment(UploadId id, int fence, BlobId file, NewVideos found,
                                      Error error);
  // In the transaction: its bytes are kept, those of a ZIP packed; `problem` as in the DAO.
  asio::awaitable<void> keep_unpaid(db::Transaction& transaction, UploadId id, BlobId file,
                                    const NewVideos& found, std::optional<std::string> problem);
  asio::awaitable<void> run(std::vector<db::Command> commands);

  asio::any_io_executor executor_;
  db::Pool& database_;
  VideoIngest& ingest_;
};

}  // namespace infernode
