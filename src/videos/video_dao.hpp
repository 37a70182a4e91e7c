#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/page.hpp"
#include "db/pool.hpp"
#include "videos/video.hpp"

// Statements on "Videos", one a function. Videos are seen through their live dataset and its owner
// only.
namespace infernode::video_dao {

namespace asio = boost::asio;

// nullopt when the dataset is not there (any more).
asio::awaitable<std::optional<VideoId>> insert(db::Transaction& transaction, VideoId id,
                                               NewVideo video);
asio::awaitable<std::optional<Video>> find(db::Executor& executor, UserId user, VideoId id);
asio::awaitable<std::vector<Video>> list(db::Executor& executor, UserId user, DatasetId dataset,
                                         std::optional<Cursor> after, int limit);
asio::awaitable<std::optional<std::vector<std::byte>>> thumbnail(db::Executor& executor,
                                                                 UserId user, VideoId id);
// Up to `limit` of a dataset, newest first, or of `ids`, in that order.
asio::awaitable<std::vector<VideoFrames>> list_frames(db::Executor& executor, UserId user,
                                                      std::optional<DatasetId> dataset,
                                                      std::optional<std::vector<VideoId>> ids,
                                                      int limit);
// The same with their keyframes; neither they nor their datasets go until the transaction ends.
asio::awaitable<std::vector<VideoFrames>> lock_frames(db::Executor& transaction, UserId user,
                                                      std::optional<DatasetId> dataset,
                                                      std::optional<std::vector<VideoId>> ids,
                                                      int limit);
// Keeps new jobs away until the transaction ends. False when there is no such video.
asio::awaitable<bool> lock(db::Transaction& transaction, UserId user, VideoId id);
asio::awaitable<bool> has_active_jobs(db::Executor& executor, VideoId id);
// Of a dataset of anybody's, deleted or not.
asio::awaitable<std::vector<VideoId>> list_in(db::Executor& executor, DatasetId dataset, int limit);
// Has a new video share the file of another one of its user with the same bytes.
void share_file(db::Transaction& transaction, VideoId id);
void remove(db::Transaction& transaction, VideoId id);
asio::awaitable<void> remove(db::Executor& executor, VideoId id);

}  // namespace infernode::video_dao
