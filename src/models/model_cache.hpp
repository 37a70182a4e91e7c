#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <filesystem>
#include <stdexcept>
#include <string>
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

// What a model's file and manifest are known by, 16 hexadecimal digits of their hash.
std::string revision_of(const StoredModel& model);

// Files of the models that were added, on this machine, for runners to read. Several processes may
// share the folder. All of it must outlive it.
class ModelCache {
public:
  // `folder` is made when it is needed; so many bytes of its disk stay free.
  ModelCache(BlobStore& blobs, asio::thread_pool& blocking, std::filesystem::path folder,
             std::int64_t disk_floor)
      : blobs_{blobs}, blocking_{blocking}, folder_{std::move(folder)}, disk_floor_{disk_floor} {}

  // The model's ONNX file, with its manifest beside it: alone in a folder that is named by its
  // revision, so what is there is never changed. What is there is looked through, what is not is
  // fetched. Throws ModelNotCached, and Unavailable when the database is.
  asio::awaitable<std::filesystem::path> bring(StoredModel model);
  asio::awaitable<bool> is_there(std::filesystem::path file);
  // Deletes what is of no other model and some minutes old: another process may know of models
  // that this one has not heard of yet, and be fetching them.
  asio::awaitable<void> keep_only(std::vector<StoredModel> models);

  static constexpr std::chrono::minutes kLeastAge{10};

private:
  asio::awaitable<void> fetch(StoredModel model, std::filesystem::path folder);

  BlobStore& blobs_;
  asio::thread_pool& blocking_;
  std::filesystem::path folder_;
  std::int64_t disk_floor_;
};

}  // namespace infernode
