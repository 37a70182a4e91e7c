#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <vector>

#include "core/page.hpp"
#include "db/pool.hpp"
#include "videos/video.hpp"

namespace infernode {

namespace asio = boost::asio;

class VideoRepository {
public:
  enum class Removal { removed, not_found, busy };

  explicit VideoRepository(db::Pool& pool) : pool_{pool} {}

  // nullopt when the dataset is not there (any more).
  asio::awaitable<std::optional<VideoId>> add(db::Connection& transaction, VideoId id,
                                              NewVideo video);
  asio::awaitable<std::optional<Video>> find(UserId user, VideoId id);
  asio::awaitable<std::optional<Video>> find(db::Connection& transaction, UserId user, VideoId id);
  // One video more than the page holds, when there are more.
  asio::awaitable<std::vector<Video>> list(UserId user, DatasetId dataset, PageRequest page);
  asio::awaitable<std::vector<VideoFrames>> list_frames(db::Connection& transaction, UserId user,
                                                        DatasetId dataset, int limit);
  // In the order of `ids`; those that are not there are left out.
  asio::awaitable<std::vector<VideoFrames>> list_frames(db::Connection& transaction, UserId user,
                                                        std::vector<VideoId> ids);
  asio::awaitable<std::optional<std::vector<std::byte>>> thumbnail(UserId user, VideoId id);
  asio::awaitable<std::vector<media::Keyframe>> keyframes(VideoId id);
  // busy while a job of it is PENDING or RUNNING.
  asio::awaitable<Removal> remove(UserId user, VideoId id);

private:
  db::Pool& pool_;
};

}  // namespace infernode
