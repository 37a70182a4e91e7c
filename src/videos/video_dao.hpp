#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/page.hpp"
#include "db/connection.hpp"
#include "videos/video.hpp"

// Statements on "Videos", one a function. Videos are seen through their live dataset and its owner
// only.
namespace infernode::video_dao {

namespace asio = boost::asio;

// nullopt when the dataset is not there (any more).
asio::awaitable<std::optional<VideoId>> insert(db::Connection& connection, VideoId id,
                                               NewVideo video);
asio::awaitable<std::optional<Video>> find(db::Connection& connection, UserId user, VideoId id);
asio::awaitable<std::vector<Video>> list(db::Connection& connection, UserId user, DatasetId dataset,
                                         std::optional<Cursor> after, int limit);
asio::awaitable<std::optional<std::vector<std::byte>>> thumbnail(db::Connection& connection,
                                                                 UserId user, VideoId id);
// Up to `limit` of a dataset, newest first, or of `ids`, in that order.
asio::awaitable<std::vector<VideoFrames>> list_frames(db::Connection& connection, UserId user,
                                                      std::optional<DatasetId> dataset,
                                                      std::optional<std::vector<VideoId>> ids,
                                                      int limit);
// Where decoding can start; for the worker, which has no user.
asio::awaitable<std::vector<media::Keyframe>> keyframes(db::Connection& connection, VideoId id);
// Keeps new jobs away until the transaction ends. False when there is no such video.
asio::awaitable<bool> lock(db::Connection& connection, UserId user, VideoId id);
asio::awaitable<bool> has_active_jobs(db::Connection& connection, VideoId id);
asio::awaitable<void> remove(db::Connection& connection, VideoId id);

}  // namespace infernode::video_dao
