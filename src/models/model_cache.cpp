#include "models/model_cache.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <fstream>
#include <set>

#include "core/blocking.hpp"
#include "core/digest.hpp"

namespace infernode {
namespace {

namespace fs = std::filesystem;

std::string key_of(const StoredModel& model) {
  Sha256 sha;
  sha.update(std::as_bytes(std::span{model.manifest}));
  sha.update(std::as_bytes(std::span{model.sha256}));
  return hex(sha.finish());
}

void write(const fs::path& file, std::span<const std::byte> bytes, std::ios::openmode mode) {
  std::ofstream out{file, std::ios::binary | mode};
  out.write(reinterpret_cast<const char*>(bytes.data()),
            static_cast<std::streamsize>(bytes.size()));
  out.close();
  if (!out) {
    throw ModelNotCached(fmt::format("{} cannot be written", file.string()));
  }
}

// Deleted unless it was renamed.
class UnfinishedFolder {
public:
  explicit UnfinishedFolder(fs::path path) : path_{std::move(path)} {}
  ~UnfinishedFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  UnfinishedFolder(const UnfinishedFolder&) = delete;
  UnfinishedFolder& operator=(const UnfinishedFolder&) = delete;
  const fs::path& path() const { return path_; }

private:
  fs::path path_;
};

}  // namespace

asio::awaitable<fs::path> ModelCache::file_of(StoredModel model) {
  const fs::path kept = folder_ / key_of(model);
  const fs::path file = kept / (model.name + ".onnx");
  auto is_there = [file] { return fs::exists(file); };
  const bool there = co_await run_blocking(blocking_, is_there);
  if (there) {
    co_return file;
  }
  const UnfinishedFolder part{folder_ / fmt::format("{}.{}", key_of(model), getpid())};
  const fs::path copy = part.path() / (model.name + ".onnx");
  auto begin = [path = part.path(), name = model.name, manifest = model.manifest] {
    std::error_code error;
    fs::create_directories(path, error);
    write(path / (name + ".yaml"), std::as_bytes(std::span{manifest}), std::ios::trunc);
  };
  co_await run_blocking(blocking_, std::move(begin));
  Sha256 sha;
  for (std::int64_t at = 0; at < model.file_bytes;) {
    auto bytes = co_await blobs_.read(model.file, at, BlobStore::kChunkBytes);
    if (bytes.empty()) {
      throw ModelNotCached(fmt::format("the file of the model {} is gone", model.name));
    }
    at += static_cast<std::int64_t>(bytes.size());
    sha.update(bytes);
    auto append = [copy, bytes = std::move(bytes)] { write(copy, bytes, std::ios::app); };
    co_await run_blocking(blocking_, std::move(append));
  }
  if (hex(sha.finish()) != model.sha256) {
    throw ModelNotCached(
        fmt::format("the file of the model {} has not the hash that it had", model.name));
  }
  // Another process of this machine may have been quicker, with the same bytes.
  auto end = [path = part.path(), kept, file] {
    std::error_code error;
    fs::rename(path, kept, error);
    if (error && !fs::exists(file)) {
      throw ModelNotCached(fmt::format("{}: {}", kept.string(), error.message()));
    }
  };
  co_await run_blocking(blocking_, std::move(end));
  co_return file;
}

asio::awaitable<void> ModelCache::keep_only(std::vector<StoredModel> models) {
  std::set<std::string> wanted;
  for (const auto& model : models) {
    wanted.insert(key_of(model));
  }
  auto clear = [folder = folder_, wanted = std::move(wanted)] {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder, error)) {
      const std::string name = entry.path().filename().string();
      if (!wanted.contains(name.substr(0, name.find('.')))) {
        std::error_code ignored;
        fs::remove_all(entry.path(), ignored);
      }
    }
  };
  co_await run_blocking(blocking_, std::move(clear));
}

}  // namespace infernode
