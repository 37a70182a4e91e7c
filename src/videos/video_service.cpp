#include "videos/video_service.hpp"

#include "core/log.hpp"
#include "videos/video_dao.hpp"

namespace infernode {
namespace {

constexpr int kPurgeBatch = 50;  // videos

Error not_found() {
  return {ErrorCode::not_found, "There is no such video."};
}

Error busy() {
  return {ErrorCode::conflict,
          "A job of this video is waiting or running; abort it or wait for its end."};
}

}  // namespace

asio::awaitable<Result<std::vector<VideoFrames>>> VideoService::frames(
    db::Executor& executor, UserId user, std::variant<DatasetId, std::vector<VideoId>> which,
    bool lock) {
  std::optional<DatasetId> dataset;
  std::optional<std::vector<VideoId>> ids;
  int limit = kMaxVideos + 1;
  if (const auto* of = std::get_if<DatasetId>(&which)) {
    dataset = *of;
  } else {
    ids = std::get<std::vector<VideoId>>(std::move(which));
    limit = static_cast<int>(ids->size());
  }
  std::vector<VideoFrames> videos;
  if (lock) {
    videos = co_await video_dao::lock_frames(executor, user, dataset, ids, limit);
  } else {
    videos = co_await video_dao::list_frames(executor, user, dataset, ids, limit);
  }
  if (ids && videos.size() != ids->size()) {
    co_return not_found();
  }
  if (dataset && videos.empty()) {
    const auto found = co_await datasets_.find(executor, user, *dataset);
    if (!found) {
      co_return found.error();
    }
  }
  co_return videos;
}

asio::awaitable<Result<Video>> VideoService::find(UserId user, VideoId id) {
  auto video = co_await video_dao::find(database_, user, id);
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
  co_return co_await video_dao::list(database_, user, dataset, page.after, page.limit + 1);
}

asio::awaitable<Result<std::vector<std::byte>>> VideoService::thumbnail(UserId user, VideoId id) {
  auto jpeg = co_await video_dao::thumbnail(database_, user, id);
  if (!jpeg) {
    co_return not_found();
  }
  co_return std::move(*jpeg);
}

asio::awaitable<Result<void>> VideoService::remove(UserId user, VideoId id) {
  {
    // Looked at before anything is cleared away, and again with the video locked.
    const auto present = co_await video_dao::find(database_, user, id);
    if (!present) {
      co_return not_found();
    }
    const bool active = co_await video_dao::has_active_jobs(database_, id);
    if (active) {
      co_return busy();
    }
  }
  co_await clear_(id);
  auto transaction = co_await database_.begin();
  const bool found = co_await video_dao::lock(transaction, user, id);
  if (!found) {
    co_return not_found();
  }
  const bool active = co_await video_dao::has_active_jobs(transaction, id);
  if (active) {
    co_return busy();
  }
  video_dao::remove(transaction, id);
  co_await transaction.commit();
  co_return Result<void>{};
}

asio::awaitable<void> VideoService::purge(DatasetId dataset) {
  for (;;) {
    const auto videos = co_await video_dao::list_in(database_, dataset, kPurgeBatch);
    if (videos.empty()) {
      break;
    }
    for (const VideoId video : videos) {
      co_await clear_(video);
      co_await video_dao::remove(database_, video);
    }
  }
  co_await datasets_.remove_purged(dataset);
}

asio::awaitable<void> VideoService::purge() {
  const auto purged = co_await datasets_.list_purged();
  for (const DatasetId dataset : purged) {
    try {
      co_await purge(dataset);
    } catch (const db::SqlError& error) {
      // The others must not wait for this one.
      log::warn("dataset {} could not be emptied: {}", dataset.to_string(), error.what());
    }
  }
}

}  // namespace infernode
