#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <filesystem>
#include <stdexcept>
#include <vector>

#include "blobs/blob_store.hpp"
#include "models/stored_model.hpp"

namespace infernode {

// A model's files cannot be had on this machine: its bytes are not what they were, its disk is
// full.
class ModelNotCached : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

// Files of the installation's models on this machine, for runners to read. All of it must outlive
// it.
class ModelCache {
public:
  // `folder` is made when it is needed.
  ModelCache(BlobStore& blobs, asio::thread_pool& blocking, std::filesystem::path folder)
      : blobs_{blobs}, blocking_{blocking}, folder_{std::move(folder)} {}

  // The model's ONNX file, with its manifest beside it: alone in a folder that is named by the hash
  // of both, so what is there is never changed. Fetched when it is not there. Throws
  // ModelNotCached, and what the database throws.
  asio::awaitable<std::filesystem::path> file_of(StoredModel model);
  // Deletes the folders of others.
  asio::awaitable<void> keep_only(std::vector<StoredModel> models);

private:
  BlobStore& blobs_;
  asio::thread_pool& blocking_;
  std::filesystem::path folder_;
};

}  // namespace infernode
