#include "videos/uploads/upload_service.hpp"

#include <boost/asio/co_spawn.hpp>

#include "core/log.hpp"
#include "http/problem.hpp"
#include "videos/uploads/upload_dao.hpp"

namespace infernode {
namespace {

constexpr int kUploadLeaseSeconds = 10;
constexpr std::chrono::seconds kUploadHeartbeat{3};

}  // namespace

asio::awaitable<Result<Upload>> UploadService::find(UserId user, UploadId id) {
  auto upload = co_await upload_dao::find(database_, user, id);
  if (!upload) {
    co_return Error{ErrorCode::not_found, "There is no such upload."};
  }
  co_return std::move(*upload);
}

asio::awaitable<Upload> UploadService::add(db::Transaction& transaction, UploadId id,
                                           NewVideo video) {
  ingest_.blobs().keep(transaction, video.file);
  transaction.queue(upload_dao::insert(id, video, kUploadLeaseSeconds));
  auto upload = co_await upload_dao::find(transaction, video.user, id);
  co_return std::move(upload.value());
}

void UploadService::follow(UploadId id, NewVideo video, std::shared_ptr<PendingProbe> probe) {
  if (!probe) {
    probe = PendingProbe::start(executor_, ingest_, video);
  }
  asio::co_spawn(executor_, see_through(id, std::move(video), std::move(probe)),
                 [id](const std::exception_ptr& failure) {
                   try {
                     if (failure) {
                       std::rethrow_exception(failure);
                     }
                   } catch (const std::exception& error) {
                     // Its lease ends, and somebody tries again.
                     log::warn("upload {}: {}", id.to_string(), error.what());
                   }
                 });
}

asio::awaitable<void> UploadService::see_through(UploadId id, NewVideo video,
                                                 std::shared_ptr<PendingProbe> probe) {
  while (!co_await probe->wait(kUploadHeartbeat)) {
    try {
      co_await ingest_.blobs().keep(video.file);
      co_await upload_dao::renew(database_, id, kUploadLeaseSeconds);
    } catch (const Unavailable& error) {
      log::debug("upload {}: {}", id.to_string(), error.what());
    }
  }
  auto info = probe->take();
  co_await end(id, std::move(video), std::move(info));
}

asio::awaitable<void> UploadService::end(UploadId id, NewVideo video,
                                         Result<media::MediaInfo> info) {
  if (!info) {
    co_await refuse(id, video.file, info.error());
    co_return;
  }
  const BlobId file = video.file;
  video.info = std::move(*info);
  const int frames = video.info.frame_count;
  std::optional<Error> refused;
  {
    auto transaction = co_await database_.begin();
    const bool open = co_await upload_dao::lock_open(transaction, id);
    if (open) {
      const auto accepted = co_await ingest_.accept(transaction, std::move(video));
      if (accepted) {
        transaction.queue(upload_dao::accept(id, accepted->id, frames, ingest_.price_of(frames)));
        co_await transaction.commit();
        co_return;
      }
      refused = accepted.error();
    }
  }
  if (refused) {
    co_await refuse(id, file, std::move(*refused));
  } else {
    // Another process saw it through; or its user or dataset is gone, and its bytes go with it.
    co_await ingest_.blobs().discard(file);
  }
}

asio::awaitable<void> UploadService::refuse(UploadId id, BlobId file, Error error) {
  {
    auto transaction = co_await database_.begin();
    const bool open = co_await upload_dao::lock_open(transaction, id);
    if (open) {
      // What a client that had waited would have been told.
      transaction.queue(upload_dao::refuse(id, http::problem_response(error, id.to_string()).body));
      co_await transaction.commit();
    }
  }
  co_await ingest_.blobs().discard(file);
}

asio::awaitable<void> UploadService::resume() {
  while (auto claimed = co_await upload_dao::claim(database_, kUploadLeaseSeconds)) {
    if (claimed->file) {
      log::info("upload {} is looked into again", claimed->id.to_string());
      follow(claimed->id, std::move(claimed->video), nullptr);
    } else {
      Error expired{ErrorCode::unavailable,
                    "Its bytes expired before they could be looked into; send it again."};
      co_await refuse(claimed->id, BlobId{}, std::move(expired));
    }
  }
}

asio::awaitable<std::int64_t> UploadService::sweep() {
  return upload_dao::delete_expired(database_);
}

}  // namespace infernode
