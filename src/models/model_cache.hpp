#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <filesystem>
#include <vector>

#include "blobs/blob_store.hpp"
#include "models/stored_model.hpp"

namespace infernode {

// Files of the installation's models on this machine, for runners to read. All of it must outlive
// it.
class ModelCache {
public:
  // `folder` is made when it is needed.
  ModelCache(BlobStore& blobs, asio::thread_pool& blocking, std::filesystem::path folder)
      : blobs_{blobs}, blocking_{blocking}, folder_{std::move(folder)} {}

  // The model's ONNX file, with its manifest beside it: alone in a folder that is named by the hash
  // of both, so what is there is never changed. Fetched when it is not there. Throws
  // std::runtime_error when its bytes are not those of the hash.
  asio::awaitable<std::filesystem::path> file_of(StoredModel model);
  // Deletes the folders of others.
  asio::awaitable<void> keep_only(std::vector<StoredModel> models);

private:
  BlobStore& blobs_;
  asio::thread_pool& blocking_;
  std::filesystem::path folder_;
};

}  // namespace infernode
