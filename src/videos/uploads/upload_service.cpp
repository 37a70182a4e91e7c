#include "videos/uploads/upload_service.hpp"

#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "core/log.hpp"
#include "http/problem.hpp"
#include "videos/uploads/upload_dao.hpp"

namespace infernode {
namespace {

constexpr int kUploadLeaseSeconds = 10;
constexpr std::chrono::seconds kUploadHeartbeat{3};
constexpr int kKeepSeconds = std::chrono::seconds{UploadService::kUploadLife}.count();
constexpr int kMostReceiving = 1000;  // of one user

Error not_there() {
  return {ErrorCode::not_found, "There is no such upload; it may have expired."};
}

// Says in our words that require_held() failed.
asio::awaitable<void> while_held(asio::awaitable<void> work) {
  try {
    co_await std::move(work);
  } catch (const db::SqlError& error) {
    if (error.sqlstate() == upload_dao::kTakenState) {
      throw UploadTaken(error.what());
    }
    throw;
  }
}

}  // namespace

asio::awaitable<Result<Upload>> UploadService::find(UserId user, UploadId id) {
  auto upload = co_await upload_dao::find(database_, user, id);
  if (!upload) {
    co_return not_there();
  }
  co_return std::move(*upload);
}

asio::awaitable<std::vector<Upload>> UploadService::list(UserId user, PageRequest page) {
  return upload_dao::list_unfinished(database_, user, page.after, page.limit + 1);
}

asio::awaitable<bool> UploadService::drop(UserId user, UploadId id, bool receiving) {
  const auto removed = co_await upload_dao::remove(database_, user, id, receiving);
  if (removed && removed->file) {
    co_await ingest_.blobs().abandon(*removed->file);
  }
  co_return removed.has_value();
}

asio::awaitable<Result<void>> UploadService::remove(UserId user, UploadId id) {
  const bool dropped = co_await drop(user, id, false);
  if (!dropped) {
    co_return not_there();
  }
  co_return Result<void>{};
}

asio::awaitable<void> UploadService::abandon(UserId user, UploadId id) {
  co_await drop(user, id, true);
}

asio::awaitable<Result<Upload>> UploadService::create(db::Transaction& transaction,
                                                      NewUpload upload) {
  const BlobId file = BlobId::random();
  const UploadId id = UploadId::random();
  const auto room =
      co_await ingest_.storage().reserve(transaction, file, upload.user, upload.size, upload.size);
  if (!room) {
    co_return room.error();
  }
  ingest_.blobs().keep(transaction, file, kUploadLife);
  const bool added = co_await upload_dao::insert_receiving(transaction, id, upload, file,
                                                           kKeepSeconds, kMostReceiving);
  if (!added) {
    co_return Error{
        ErrorCode::too_many_requests,
        fmt::format("{} uploads of yours have not arrived whole yet; go on with them, or "
                    "delete them (GET /uploads).",
                    kMostReceiving)};
  }
  auto made = co_await upload_dao::find(transaction, upload.user, id);
  co_return std::move(made.value());
}

asio::awaitable<Result<ReceivingUpload>> UploadService::hold(UserId user, UploadId id,
                                                             std::int64_t offset) {
  auto transaction = co_await database_.begin();
  const auto held = co_await upload_dao::hold(transaction, user, id, offset, kKeepSeconds);
  if (!held) {
    const auto upload = co_await upload_dao::find(transaction, user, id);
    if (!upload || (upload->state == UploadState::receiving && !upload->kept)) {
      co_return not_there();
    }
    co_return Error{ErrorCode::conflict, upload->state == UploadState::receiving
                                             ? fmt::format("The upload has come to {}, not to {}.",
                                                           upload->offset, offset)
                                             : "The upload has arrived whole."};
  }
  // What a connection before this one had stored when it was cut, and does not count.
  if (co_await ingest_.blobs().reaches_beyond(transaction, held->file, offset)) {
    ingest_.blobs().truncate(transaction, held->file, offset);
  }
  ingest_.blobs().keep(transaction, held->file, kUploadLife);
  co_await transaction.commit();
  co_return ReceivingUpload{id,
                            held->file,
                            held->fence,
                            offset,
                            held->hash_state.empty() ? Sha256{} : Sha256::restore(held->hash_state),
                            held->upload};
}

asio::awaitable<void> UploadService::store(ReceivingUpload& receiving, std::int64_t start,
                                           std::vector<std::byte> chunk) {
  std::vector<db::Command> first;
  first.push_back(upload_dao::require_held(receiving.id, receiving.fence));
  auto storing = ingest_.blobs().append(receiving.file, start, std::move(chunk),
                                        BlobStore::Life::as_it_is, std::move(first));
  co_await while_held(std::move(storing));
}

asio::awaitable<void> UploadService::run(std::vector<db::Command> commands) {
  co_await database_.execute_all(std::move(commands));
}

asio::awaitable<void> UploadService::advance(ReceivingUpload& receiving, std::int64_t offset,
                                             Sha256 sha) {
  const auto& upload = receiving.upload;
  std::vector<db::Command> commands;
  commands.push_back(upload_dao::require_held(receiving.id, receiving.fence));
  if (offset < upload.size) {
    commands.push_back(upload_dao::advance(receiving.id, offset, sha.state(), kKeepSeconds));
    commands.push_back(BlobStore::keeping(receiving.file, kUploadLife));
    auto running = run(std::move(commands));
    co_await while_held(std::move(running));
    receiving.offset = offset;
    receiving.sha = std::move(sha);
    co_return;
  }
  NewVideo video;
  video.user = upload.user;
  video.dataset = upload.dataset;
  video.name = upload.name;
  video.file = receiving.file;
  video.size = offset;
  video.sha256 = sha.finish();
  // At once: whoever hears that all bytes are there does not come back.
  commands.push_back(
      upload_dao::begin_probe(receiving.id, video.sha256, kUploadLeaseSeconds, kKeepSeconds));
  commands.push_back(BlobStore::keeping(receiving.file, kUploadLife));
  auto running = run(std::move(commands));
  co_await while_held(std::move(running));
  receiving.offset = offset;
  receiving.outcome = follow(receiving.id, receiving.fence, std::move(video), nullptr);
}

asio::awaitable<Result<std::shared_ptr<UploadOutcome>>> UploadService::accept(UserId user,
                                                                              UploadId id) {
  auto claimed =
      co_await upload_dao::claim_unpaid(database_, user, id, kUploadLeaseSeconds, kKeepSeconds);
  if (!claimed) {
    const auto upload = co_await find(user, id);
    if (!upload) {
      co_return upload.error();
    }
    if (upload->state == UploadState::accepted || upload->state == UploadState::probing) {
      co_return std::shared_ptr<UploadOutcome>{};  // its answer was lost, or it was asked twice
    }
    co_return Error{
        ErrorCode::conflict,
        fmt::format("The upload is {}: there is nothing to pay for.", to_text(upload->state))};
  }
  co_await ingest_.blobs().keep(claimed->video.file, kUploadLife);
  co_return follow(id, claimed->fence, std::move(claimed->video), nullptr);
}

asio::awaitable<void> UploadOutcome::wait(std::chrono::steady_clock::duration most) {
  if (!over_) {
    ended_.expires_after(most);
    boost::system::error_code ignored;
    co_await ended_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
}

void UploadOutcome::tell() {
  over_ = true;
  ended_.cancel();
}

asio::awaitable<Upload> UploadService::add(db::Transaction& transaction, UploadId id,
                                           NewVideo video) {
  ingest_.blobs().keep(transaction, video.file, kUploadLife);
  transaction.queue(upload_dao::insert(id, video, kUploadLeaseSeconds));
  auto upload = co_await upload_dao::find(transaction, video.user, id);
  co_return std::move(upload.value());
}

std::shared_ptr<UploadOutcome> UploadService::follow(UploadId id, int fence, NewVideo video,
                                                     std::shared_ptr<PendingProbe> probe) {
  if (!probe) {
    probe = PendingProbe::start(executor_, ingest_, video);
  }
  auto outcome = std::make_shared<UploadOutcome>(executor_);
  asio::co_spawn(executor_, see_through(id, fence, video.file, std::move(probe)),
                 [id, outcome](const std::exception_ptr& failure) {
                   outcome->tell();
                   try {
                     if (failure) {
                       std::rethrow_exception(failure);
                     }
                   } catch (const std::exception& error) {
                     // Its lease ends, and somebody tries again.
                     log::warn("upload {}: {}", id.to_string(), error.what());
                   }
                 });
  return outcome;
}

asio::awaitable<void> UploadService::see_through(UploadId id, int fence, BlobId file,
                                                 std::shared_ptr<PendingProbe> probe) {
  while (!co_await probe->wait(kUploadHeartbeat)) {
    try {
      co_await upload_dao::renew(database_, id, fence, kUploadLeaseSeconds);
      co_await ingest_.blobs().keep(file, kUploadLife);
    } catch (const Unavailable& error) {
      log::debug("upload {}: {}", id.to_string(), error.what());
    }
  }
  auto found = probe->take();
  co_await end(id, fence, file, std::move(found));
}

asio::awaitable<void> UploadService::end(UploadId id, int fence, BlobId file,
                                         Result<NewVideos> found) {
  if (!found) {
    co_await refuse(id, fence, file, found.error());
    co_return;
  }
  const auto accepted = co_await try_accept(id, fence, file, *found);
  if (!accepted && accepted.error().code == ErrorCode::insufficient_tokens) {
    co_await await_payment(id, fence, file, *found, accepted.error());
  } else if (!accepted) {
    co_await refuse(id, fence, file, accepted.error());
  }
  if (!accepted || !*accepted) {
    co_await ingest_.discard_unpacked(std::move(*found));
  }
}

asio::awaitable<Result<bool>> UploadService::try_accept(UploadId id, int fence, BlobId file,
                                                        NewVideos found) {
  const auto frames = static_cast<int>(found.frames());
  const Tokens price = ingest_.price_of(frames);
  auto transaction = co_await database_.begin();
  const auto open = co_await upload_dao::lock_open(transaction, id, fence);
  if (!open) {
    co_return false;  // somebody else sees it through; or it is gone, and its bytes go with it
  }
  if (open->confirm || (open->cost && price > *open->cost)) {
    co_await keep_unpaid(transaction, id, file, found, std::nullopt);
    co_await transaction.commit();
    co_return false;
  }
  const auto videos = co_await ingest_.accept(transaction, std::move(found));
  if (!videos) {
    co_return videos.error();
  }
  std::vector<VideoId> ids;
  for (const auto& video : *videos) {
    ids.push_back(video.id);
  }
  transaction.queue(upload_dao::accept(id, ids, frames, price));
  co_await transaction.commit();
  co_return true;
}

asio::awaitable<void> UploadService::keep_unpaid(db::Transaction& transaction, UploadId id,
                                                 BlobId file, const NewVideos& found,
                                                 std::optional<std::string> problem) {
  const auto frames = static_cast<int>(found.frames());
  transaction.queue(upload_dao::wait_for_payment(id, frames, ingest_.price_of(frames),
                                                 std::move(problem), kKeepSeconds));
  ingest_.blobs().keep(transaction, file, kUploadLife);
  if (found.archive) {
    co_await ingest_.storage().give_back(transaction, file, found.archive->size);
  }
}

asio::awaitable<void> UploadService::await_payment(UploadId id, int fence, BlobId file,
                                                   NewVideos found, Error error) {
  auto transaction = co_await database_.begin();
  if (co_await upload_dao::lock_open(transaction, id, fence)) {
    auto problem = http::problem_response(error, id.to_string()).body;
    co_await keep_unpaid(transaction, id, file, found, std::move(problem));
    co_await transaction.commit();
  }
}

asio::awaitable<void> UploadService::refuse(UploadId id, int fence, BlobId file, Error error) {
  {
    auto transaction = co_await database_.begin();
    if (!co_await upload_dao::lock_open(transaction, id, fence)) {
      co_return;
    }
    // What a client that had waited would have been told.
    transaction.queue(upload_dao::refuse(id, http::problem_response(error, id.to_string()).body));
    co_await transaction.commit();
  }
  co_await ingest_.blobs().discard(file);
}

asio::awaitable<void> UploadService::resume() {
  while (auto claimed = co_await upload_dao::claim(database_, kUploadLeaseSeconds)) {
    if (claimed->file) {
      log::info("upload {} is looked into again", claimed->id.to_string());
      follow(claimed->id, claimed->fence, std::move(claimed->video), nullptr);
    } else {
      Error expired{ErrorCode::unavailable,
                    "Its bytes expired before they could be looked into; send it again."};
      co_await refuse(claimed->id, claimed->fence, BlobId{}, std::move(expired));
    }
  }
}

asio::awaitable<std::int64_t> UploadService::sweep() {
  return upload_dao::delete_expired(database_);
}

}  // namespace infernode
