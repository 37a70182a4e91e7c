#include "videos/video_service.hpp"

namespace infernode {
namespace {

Error not_found() {
  return {ErrorCode::not_found, "There is no such video."};
}

}  // namespace

VideoService::VideoService(VideoRepository& videos, DatasetService& datasets,
                           CreditService& credits, BlobStore& blobs, Prober probe)
    : videos_{videos},
      datasets_{datasets},
      credits_{credits},
      blobs_{blobs},
      probe_{std::move(probe)} {}

asio::awaitable<Result<void>> VideoService::check_upload(UserId user, DatasetId dataset) {
  const auto found = co_await datasets_.find(user, dataset);
  if (!found) {
    co_return found.error();
  }
  co_return Result<void>{};
}

asio::awaitable<Result<media::MediaInfo>> VideoService::probe(BlobId file, std::int64_t size) {
  return probe_(file, size);
}

asio::awaitable<Result<Video>> VideoService::add(db::Connection& transaction, NewVideo upload) {
  const VideoId id = VideoId::random();
  const UserId user = upload.user;
  const BlobId file = upload.file;
  const std::int64_t size = upload.size;
  const auto sha256 = upload.sha256;
  const int frames = upload.info.frame_count;
  // The dataset's row is locked before the user's, as everywhere.
  const auto added = co_await videos_.add(transaction, id, std::move(upload));
  if (!added) {
    co_return Error{ErrorCode::not_found, "There is no such dataset."};
  }
  const auto charged = co_await credits_.charge_upload(transaction, user, id,
                                                       credits_.prices().upload_per_frame * frames,
                                                       std::to_string(frames) + " frames");
  if (!charged) {
    co_return charged.error();
  }
  co_await blobs_.adopt(transaction, file, size, sha256);
  auto video = co_await videos_.find(transaction, user, id);
  co_return std::move(video.value());
}

asio::awaitable<Result<std::vector<VideoFrames>>> VideoService::frames(
    db::Connection& transaction, UserId user, std::variant<DatasetId, std::vector<VideoId>> which) {
  if (const auto* dataset = std::get_if<DatasetId>(&which)) {
    const auto found = co_await datasets_.find(transaction, user, *dataset);
    if (!found) {
      co_return found.error();
    }
    co_return co_await videos_.list_frames(transaction, user, *dataset, kMaxVideos + 1);
  }
  const auto& ids = std::get<std::vector<VideoId>>(which);
  auto videos = co_await videos_.list_frames(transaction, user, ids);
  if (videos.size() != ids.size()) {
    co_return not_found();
  }
  co_return videos;
}

asio::awaitable<Result<Video>> VideoService::find(UserId user, VideoId id) {
  auto video = co_await videos_.find(user, id);
  if (!video) {
    co_return not_found();
  }
  co_return std::move(*video);
}

asio::awaitable<Result<std::vector<Video>>> VideoService::list(UserId user, DatasetId dataset,
                                                               PageRequest page) {
  const auto found = co_await datasets_.find(user, dataset);
  if (!found) {
    co_return found.error();
  }
  co_return co_await videos_.list(user, dataset, page);
}

asio::awaitable<Result<std::vector<std::byte>>> VideoService::thumbnail(UserId user, VideoId id) {
  auto jpeg = co_await videos_.thumbnail(user, id);
  if (!jpeg) {
    co_return not_found();
  }
  co_return std::move(*jpeg);
}

asio::awaitable<Result<void>> VideoService::remove(UserId user, VideoId id) {
  const auto removal = co_await videos_.remove(user, id);
  if (removal == VideoRepository::Removal::not_found) {
    co_return not_found();
  }
  if (removal == VideoRepository::Removal::busy) {
    co_return Error{ErrorCode::conflict,
                    "A job of this video is waiting or running; abort it or wait for its end."};
  }
  co_return Result<void>{};
}

asio::awaitable<std::vector<media::Keyframe>> VideoService::keyframes(VideoId id) {
  co_return co_await videos_.keyframes(id);
}

}  // namespace infernode
