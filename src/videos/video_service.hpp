#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <optional>
#include <variant>
#include <vector>

#include "blobs/blob_store.hpp"
#include "core/error.hpp"
#include "core/page.hpp"
#include "credits/credit_service.hpp"
#include "datasets/dataset_service.hpp"
#include "videos/video.hpp"
#include "videos/video_repository.hpp"

namespace infernode {

// Finds out what is in a stored file of `size` bytes. unsupported_media: no video; invalid: a video
// that is damaged or cannot be decoded.
using Prober =
    std::function<asio::awaitable<Result<media::MediaInfo>>(BlobId file, std::int64_t size)>;

// A user's videos. What is somebody else's, or in a deleted dataset, is not_found. Everything it is
// given must outlive it.
class VideoService {
public:
  VideoService(VideoRepository& videos, DatasetService& datasets, CreditService& credits,
               BlobStore& blobs, Prober probe);

  // Whether the user may upload into the dataset.
  asio::awaitable<Result<void>> check_upload(UserId user, DatasetId dataset);
  // What is in a staged file.
  asio::awaitable<Result<media::MediaInfo>> probe(BlobId file, std::int64_t size);
  // In the caller's transaction: makes a video of a staged and probed file and charges for its
  // frames. Discarding the file after an Error is the caller's.
  asio::awaitable<Result<Video>> add(db::Connection& transaction, NewVideo upload);
  asio::awaitable<Result<Video>> find(UserId user, VideoId id);
  asio::awaitable<Result<std::vector<Video>>> list(UserId user, DatasetId dataset,
                                                   PageRequest page);
  asio::awaitable<Result<std::vector<std::byte>>> thumbnail(UserId user, VideoId id);
  // More than that are not worked on at once.
  static constexpr std::size_t kMaxVideos = 1000;
  // The videos of a dataset (one more than kMaxVideos at most), or those of `ids` in that order, as
  // planning a job needs them. All of them must be there: not_found otherwise.
  asio::awaitable<Result<std::vector<VideoFrames>>> frames(
      db::Connection& transaction, UserId user,
      std::variant<DatasetId, std::vector<VideoId>> which);
  // conflict while a job of it is PENDING or RUNNING.
  asio::awaitable<Result<void>> remove(UserId user, VideoId id);
  // For the worker, which has no user.
  asio::awaitable<std::vector<media::Keyframe>> keyframes(VideoId id);

  BlobStore& blobs() const { return blobs_; }

private:
  VideoRepository& videos_;
  DatasetService& datasets_;
  CreditService& credits_;
  BlobStore& blobs_;
  Prober probe_;
};

}  // namespace infernode
