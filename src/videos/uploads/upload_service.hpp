#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <memory>

#include "core/error.hpp"
#include "db/pool.hpp"
#include "videos/uploads/pending_probe.hpp"
#include "videos/uploads/upload.hpp"
#include "videos/video_ingest.hpp"

namespace infernode {

// Uploads whose client was told to come back: their files are looked into while nobody waits on the
// line, by the process that received them or, should it die, by another. `database` and `ingest`
// must outlive it.
class UploadService {
public:
  UploadService(asio::any_io_executor executor, db::Pool& database, VideoIngest& ingest)
      : executor_{std::move(executor)}, database_{database}, ingest_{ingest} {}

  asio::awaitable<Result<Upload>> find(UserId user, UploadId id);

  // In the caller's transaction: remembers a staged file. After its commit the caller calls
  // follow().
  asio::awaitable<Upload> add(db::Transaction& transaction, UploadId id, NewVideo video);
  // Sees it through in the background: a probe that is under way, or one that begins now (nullptr).
  void follow(UploadId id, NewVideo video, std::shared_ptr<PendingProbe> probe);

  // Goes on with those that nobody looks into any more.
  asio::awaitable<void> resume();
  // Forgets what has expired; returns how many.
  asio::awaitable<std::int64_t> sweep();

  VideoIngest& ingest() const { return ingest_; }
  const asio::any_io_executor& executor() const { return executor_; }

private:
  asio::awaitable<void> see_through(UploadId id, NewVideo video,
                                    std::shared_ptr<PendingProbe> probe);
  asio::awaitable<void> end(UploadId id, NewVideo video, Result<media::MediaInfo> info);
  asio::awaitable<void> refuse(UploadId id, BlobId file, Error error);

  asio::any_io_executor executor_;
  db::Pool& database_;
  VideoIngest& ingest_;
};

}  // namespace infernode
