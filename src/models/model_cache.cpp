#include "models/model_cache.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <fstream>
#include <set>

#include "core/blocking.hpp"
#include "core/digest.hpp"
#include "core/disk.hpp"
#include "core/log.hpp"

namespace infernode {
namespace {

namespace fs = std::filesystem;

// Behind the revision, in the name of a folder that is being filled.
constexpr char kPart = '.';

void write(const fs::path& file, std::span<const std::byte> bytes, std::ios::openmode mode) {
  std::ofstream out{file, std::ios::binary | mode};
  out.write(reinterpret_cast<const char*>(bytes.data()),
            static_cast<std::streamsize>(bytes.size()));
  out.close();
  if (!out) {
    throw ModelNotCached(fmt::format("{} cannot be written", file.string()));
  }
}

// Until it is on the disk: what is renamed afterwards is whole, also after a power cut.
void sync(const fs::path& file) {
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  const bool synced = descriptor >= 0 && fsync(descriptor) == 0;
  if (descriptor >= 0) {
    ::close(descriptor);
  }
  if (!synced) {
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

fs::path onnx_file(const fs::path& folder, const StoredModel& model) {
  return folder / (model.name + ".onnx");
}

// Whether the folder holds the model, with the bytes that it should have.
bool holds(const fs::path& folder, const StoredModel& model) {
  const auto file = onnx_file(folder, model);
  std::error_code error;
  const auto size = fs::file_size(file, error);
  return !error && static_cast<std::int64_t>(size) == model.file_bytes &&
         sha256_of_file(file) == model.sha256;
}

void delete_folder(const fs::path& folder) {
  std::error_code error;
  fs::remove_all(folder, error);
  if (error) {
    log::warn("{} cannot be deleted: {}", folder.string(), error.message());
  }
}

}  // namespace

std::string revision_of(const StoredModel& model) {
  Sha256 sha;
  sha.update(std::as_bytes(std::span{model.manifest}));
  sha.update(std::as_bytes(std::span{model.sha256}));
  return hex(sha.finish()).substr(0, 16);
}

asio::awaitable<fs::path> ModelCache::bring(StoredModel model) {
  const fs::path kept = folder_ / revision_of(model);
  auto look = [kept, model] {
    const bool there = holds(kept, model);
    if (!there) {
      delete_folder(kept);
    }
    return there;
  };
  const bool there = co_await run_blocking(blocking_, std::move(look));
  if (!there) {
    co_await fetch(model, kept);
  }
  co_return onnx_file(kept, model);
}

asio::awaitable<void> ModelCache::fetch(StoredModel model, fs::path folder) {
  const UnfinishedFolder part{folder.string() + kPart + BlobId::random().to_string()};
  const fs::path copy = onnx_file(part.path(), model);
  auto begin = [path = part.path(), copy, model, floor = disk_floor_] {
    std::error_code error;
    fs::create_directories(path, error);
    const auto free = free_disk_bytes(path);
    if (error || (free && *free < floor + model.file_bytes)) {
      throw ModelNotCached(error ? fmt::format("{}: {}", path.string(), error.message())
                                 : fmt::format("its {} bytes would leave too few on the disk of {}",
                                               model.file_bytes, path.parent_path().string()));
    }
    const auto manifest = path / (model.name + ".yaml");
    write(manifest, std::as_bytes(std::span{model.manifest}), std::ios::trunc);
    sync(manifest);
    write(copy, {}, std::ios::trunc);
  };
  co_await run_blocking(blocking_, std::move(begin));
  for (std::int64_t at = 0; at < model.file_bytes;) {
    auto bytes = co_await blobs_.read(model.file, at, BlobStore::kChunkBytes);
    if (bytes.empty()) {
      throw ModelNotCached(fmt::format("the file of the model {} is gone", model.name));
    }
    at += static_cast<std::int64_t>(bytes.size());
    auto append = [path = part.path(), copy, bytes = std::move(bytes)] {
      write(copy, bytes, std::ios::app);
      std::error_code gone;  // then the next piece says so
      fs::last_write_time(path, fs::file_time_type::clock::now(), gone);  // see keep_only()
    };
    co_await run_blocking(blocking_, std::move(append));
  }
  auto end = [path = part.path(), copy, folder, model] {
    if (!holds(path, model)) {
      throw ModelNotCached(
          fmt::format("the file of the model {} has not the hash that it had", model.name));
    }
    sync(copy);
    sync(path);
    std::error_code error;
    fs::last_write_time(path, fs::file_time_type::clock::now(), error);
    fs::rename(path, folder, error);
    // Another process of this machine may have been quicker.
    if (error && !holds(folder, model)) {
      throw ModelNotCached(fmt::format("{}: {}", folder.string(), error.message()));
    }
  };
  co_await run_blocking(blocking_, std::move(end));
}

asio::awaitable<bool> ModelCache::is_there(fs::path file) {
  auto look = [file = std::move(file)] {
    std::error_code error;
    return fs::exists(file, error);
  };
  co_return co_await run_blocking(blocking_, std::move(look));
}

asio::awaitable<void> ModelCache::keep_only(std::vector<StoredModel> models) {
  std::set<std::string> wanted;
  for (const auto& model : models) {
    wanted.insert(revision_of(model));
  }
  auto clear = [folder = folder_, wanted = std::move(wanted)] {
    std::error_code error;
    const auto recent = fs::file_time_type::clock::now() - kLeastAge;
    for (fs::directory_iterator entry{folder, error}, end; !error && entry != end;
         entry.increment(error)) {
      std::error_code unknown;
      const auto changed = fs::last_write_time(entry->path(), unknown);
      if (!wanted.contains(entry->path().filename().string()) && !unknown && changed < recent) {
        delete_folder(entry->path());
      }
    }
  };
  co_await run_blocking(blocking_, std::move(clear));
}

}  // namespace infernode
