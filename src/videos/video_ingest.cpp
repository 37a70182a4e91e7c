#include "videos/video_ingest.hpp"

#include "videos/video_dao.hpp"

namespace infernode {

asio::awaitable<Result<void>> VideoIngest::check(UserId user, DatasetId dataset) {
  const auto found = co_await datasets_.find(user, dataset);
  if (!found) {
    co_return found.error();
  }
  const Tokens frame = price_of(1);
  if (frame > Tokens{}) {
    const Tokens balance = co_await credits_.balance(user);
    if (balance < frame) {
      co_return insufficient_tokens(frame, balance);
    }
  }
  co_return Result<void>{};
}

asio::awaitable<Result<media::MediaInfo>> VideoIngest::probe(UserId user, BlobId file,
                                                             std::int64_t size,
                                                             std::shared_ptr<Cancellation> cancel) {
  return probe_(user, file, size, std::move(cancel));
}

asio::awaitable<Result<Video>> VideoIngest::accept(db::Transaction& transaction, NewVideo video) {
  const VideoId id = VideoId::random();
  const UserId user = video.user;
  const BlobId file = video.file;
  const std::int64_t size = video.size;
  const auto sha256 = video.sha256;
  const int frames = video.info.frame_count;
  // The dataset's row is locked before the user's, as everywhere.
  const auto added = co_await video_dao::insert(transaction, id, std::move(video));
  if (!added) {
    co_return Error{ErrorCode::not_found, "There is no such dataset."};
  }
  const auto charged = co_await credits_.charge_upload(transaction, user, id, price_of(frames),
                                                       std::to_string(frames) + " frames");
  if (!charged) {
    co_return charged.error();
  }
  blobs_.adopt(transaction, file, size, sha256);
  video_dao::share_file(transaction, id);
  auto stored = co_await video_dao::find(transaction, user, id);
  co_return std::move(stored.value());
}

}  // namespace infernode
