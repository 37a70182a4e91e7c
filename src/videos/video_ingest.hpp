#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <memory>

#include "blobs/blob_store.hpp"
#include "blobs/storage_quota.hpp"
#include "core/cancellation.hpp"
#include "core/error.hpp"
#include "credits/credit_service.hpp"
#include "datasets/dataset_service.hpp"
#include "db/pool.hpp"
#include "videos/video.hpp"

namespace infernode {

// Finds out what is in a stored file of `size` bytes. unsupported_media: no video; invalid: a video
// that is damaged or cannot be decoded. Throws Cancelled.
using Prober = std::function<asio::awaitable<Result<media::MediaInfo>>(
    UserId user, BlobId file, std::int64_t size, std::shared_ptr<Cancellation> cancel)>;

// The way by which every video comes in, whatever carried its bytes here: they are staged as a
// blob, probed, paid for and adopted. Everything it is given must outlive it.
class VideoIngest {
public:
  VideoIngest(DatasetService& datasets, CreditService& credits, BlobStore& blobs,
              StorageQuota& storage, Prober probe)
      : datasets_{datasets},
        credits_{credits},
        blobs_{blobs},
        storage_{storage},
        probe_{std::move(probe)} {}

  // Whether the user may bring videos into the dataset: not_found otherwise. insufficient_tokens:
  // nothing is left to pay even a frame with.
  asio::awaitable<Result<void>> check(UserId user, DatasetId dataset);
  // What is in a staged file. Users take turns. Throws Cancelled.
  asio::awaitable<Result<media::MediaInfo>> probe(UserId user, BlobId file, std::int64_t size,
                                                  std::shared_ptr<Cancellation> cancel);
  // What accepting a video of so many frames costs.
  Tokens price_of(int frames) const { return credits_.prices().upload_per_frame * frames; }
  // In the caller's transaction: makes a video of a staged and probed file and charges for its
  // frames. Where another video of the user has the same bytes, it shares that one's file, and this
  // one is let go. Discarding the file after an Error is the caller's.
  asio::awaitable<Result<Video>> accept(db::Transaction& transaction, NewVideo video);

  BlobStore& blobs() const { return blobs_; }
  // What is staged for a user is reserved first.
  StorageQuota& storage() const { return storage_; }

private:
  DatasetService& datasets_;
  CreditService& credits_;
  BlobStore& blobs_;
  StorageQuota& storage_;
  Prober probe_;
};

}  // namespace infernode
