#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <optional>
#include <variant>
#include <vector>

#include "blobs/blob_store.hpp"
#include "core/error.hpp"
#include "core/page.hpp"
#include "datasets/dataset_service.hpp"
#include "db/pool.hpp"
#include "videos/video.hpp"

namespace infernode {

// Clears away what ended jobs left of a video that is about to be deleted.
using VideoClearing = std::function<asio::awaitable<void>(VideoId video)>;

// A user's videos. What is somebody else's, or in a deleted dataset, is not_found. Everything it is
// given must outlive it.
class VideoService {
public:
  VideoService(db::Pool& database, DatasetService& datasets, BlobStore& blobs, VideoClearing clear)
      : database_{database}, datasets_{datasets}, blobs_{blobs}, clear_{std::move(clear)} {}

  asio::awaitable<Result<Video>> find(UserId user, VideoId id);
  asio::awaitable<Result<std::vector<Video>>> list(UserId user, DatasetId dataset,
                                                   PageRequest page);
  asio::awaitable<Result<std::vector<std::byte>>> thumbnail(UserId user, VideoId id);
  // More than that are not worked on at once.
  static constexpr std::size_t kMaxVideos = 1000;
  // The videos of a dataset (one more than kMaxVideos at most), or those of `ids` in that order, as
  // planning a job needs them. All of them must be there: not_found otherwise. With `lock`, in a
  // transaction: they come with their keyframes, and stay until it ends.
  asio::awaitable<Result<std::vector<VideoFrames>>> frames(
      db::Executor& executor, UserId user, std::variant<DatasetId, std::vector<VideoId>> which,
      bool lock);
  // conflict while a job of it is PENDING or RUNNING.
  asio::awaitable<Result<void>> remove(UserId user, VideoId id);
  // Empties datasets that were purged, some of them, a video at a time. It may stop anywhere; the
  // next call goes on.
  asio::awaitable<void> purge();

  BlobStore& blobs() const { return blobs_; }

private:
  asio::awaitable<void> purge(DatasetId dataset);

  db::Pool& database_;
  DatasetService& datasets_;
  BlobStore& blobs_;
  VideoClearing clear_;
};

}  // namespace infernode
