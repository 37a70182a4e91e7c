#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <memory>
#include <vector>

#include "blobs/blob_store.hpp"
#include "blobs/storage_quota.hpp"
#include "core/cancellation.hpp"
#include "core/error.hpp"
#include "credits/credit_service.hpp"
#include "datasets/dataset_service.hpp"
#include "db/pool.hpp"
#include "media/packed_file.hpp"
#include "videos/video.hpp"

namespace infernode {

// Finds out what is in a stored file of `size` bytes. unsupported_media: no video; invalid: a video
// that is damaged or cannot be decoded. Throws Cancelled.
using Prober = std::function<asio::awaitable<Result<media::MediaInfo>>(
    UserId user, BlobId file, std::int64_t size, std::shared_ptr<Cancellation> cancel)>;

// Unpacks a stored ZIP of `size` bytes. invalid: one that is damaged, hostile or too large; what
// the sink refuses. Throws Cancelled.
using Unpacker = std::function<asio::awaitable<Result<void>>(
    UserId user, BlobId file, std::int64_t size, std::shared_ptr<media::PackedFileSink> sink,
    std::shared_ptr<Cancellation> cancel)>;

// The way by which every video comes in, whatever carried its bytes here: they are staged as a
// blob, looked into, paid for and adopted. Everything it is given must outlive it.
class VideoIngest {
public:
  VideoIngest(DatasetService& datasets, CreditService& credits, BlobStore& blobs,
              StorageQuota& storage, Prober probe, Unpacker unpack)
      : datasets_{datasets},
        credits_{credits},
        blobs_{blobs},
        storage_{storage},
        probe_{std::move(probe)},
        unpack_{std::move(unpack)} {}

  // Whether the user may bring videos into the dataset: not_found otherwise. insufficient_tokens:
  // nothing is left to pay even a frame with.
  asio::awaitable<Result<void>> check(UserId user, DatasetId dataset);
  // What is in a staged file: a video, or a ZIP of videos, which is unpacked; an Error then names
  // the file that is at fault, and nothing of it stays. Users take turns. Throws Cancelled.
  asio::awaitable<Result<NewVideos>> look_into(NewVideo file, std::shared_ptr<Cancellation> cancel);
  // Lets go of what a ZIP was unpacked into and will not be accepted; throws nothing.
  asio::awaitable<void> discard_unpacked(NewVideos videos);
  // What accepting so many frames costs.
  Tokens price_of(std::int64_t frames) const { return credits_.prices().upload_per_frame * frames; }
  // In the caller's transaction: makes videos of what was looked into and charges for the frames of
  // each, or of none. Where another video of the user has the same bytes, it shares that one's
  // file, and this one is let go. Discarding what was staged after an Error is the caller's.
  asio::awaitable<Result<std::vector<Video>>> accept(db::Transaction& transaction,
                                                     NewVideos videos);

  BlobStore& blobs() const { return blobs_; }
  // What is staged for a user is reserved first.
  StorageQuota& storage() const { return storage_; }

private:
  asio::awaitable<Result<media::MediaInfo>> probe(const NewVideo& file,
                                                  std::shared_ptr<Cancellation> cancel);
  asio::awaitable<Result<NewVideos>> look_into_zip(NewVideo zip,
                                                   std::shared_ptr<Cancellation> cancel);
  // Of each, or insufficient_tokens for all of them.
  asio::awaitable<Result<void>> charge(db::Transaction& transaction,
                                       const std::vector<VideoId>& ids, const NewVideos& brought);

  DatasetService& datasets_;
  CreditService& credits_;
  BlobStore& blobs_;
  StorageQuota& storage_;
  Prober probe_;
  Unpacker unpack_;
};

}  // namespace infernode
