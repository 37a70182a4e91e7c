#include "videos/video_repository.hpp"

#include "videos/video_dao.hpp"

namespace infernode {

asio::awaitable<std::optional<VideoId>> VideoRepository::add(db::Connection& transaction,
                                                             VideoId id, NewVideo video) {
  co_return co_await video_dao::insert(transaction, id, std::move(video));
}

asio::awaitable<std::optional<Video>> VideoRepository::find(UserId user, VideoId id) {
  const auto connection = co_await pool_.acquire();
  co_return co_await video_dao::find(*connection, user, id);
}

asio::awaitable<std::optional<Video>> VideoRepository::find(db::Connection& transaction,
                                                            UserId user, VideoId id) {
  co_return co_await video_dao::find(transaction, user, id);
}

asio::awaitable<std::vector<Video>> VideoRepository::list(UserId user, DatasetId dataset,
                                                          PageRequest page) {
  const auto connection = co_await pool_.acquire();
  co_return co_await video_dao::list(*connection, user, dataset, page.after, page.limit + 1);
}

asio::awaitable<std::vector<VideoFrames>> VideoRepository::list_frames(db::Connection& transaction,
                                                                       UserId user,
                                                                       DatasetId dataset,
                                                                       int limit) {
  co_return co_await video_dao::list_frames(transaction, user, dataset, std::nullopt, limit);
}

asio::awaitable<std::vector<VideoFrames>> VideoRepository::list_frames(db::Connection& transaction,
                                                                       UserId user,
                                                                       std::vector<VideoId> ids) {
  const int count = static_cast<int>(ids.size());
  co_return co_await video_dao::list_frames(transaction, user, std::nullopt, std::move(ids), count);
}

asio::awaitable<std::optional<std::vector<std::byte>>> VideoRepository::thumbnail(UserId user,
                                                                                  VideoId id) {
  const auto connection = co_await pool_.acquire();
  co_return co_await video_dao::thumbnail(*connection, user, id);
}

asio::awaitable<std::vector<media::Keyframe>> VideoRepository::keyframes(VideoId id) {
  const auto connection = co_await pool_.acquire();
  co_return co_await video_dao::keyframes(*connection, id);
}

asio::awaitable<VideoRepository::Removal> VideoRepository::remove(UserId user, VideoId id) {
  const auto transaction = co_await pool_.begin();
  const bool found = co_await video_dao::lock(*transaction, user, id);
  if (!found) {
    co_return Removal::not_found;
  }
  const bool busy = co_await video_dao::has_active_jobs(*transaction, id);
  if (busy) {
    co_return Removal::busy;
  }
  co_await video_dao::remove(*transaction, id);
  co_await transaction.commit();
  co_return Removal::removed;
}

}  // namespace infernode
