#include "cli/watch_journal.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <stdexcept>

#include "core/json.hpp"

namespace infernode::cli {
namespace {

namespace json = boost::json;

[[noreturn]] void fail(const std::filesystem::path& file) {
  throw std::runtime_error(fmt::format("{}: {}", file.string(), std::strerror(errno)));
}

json::object to_json(const WatchedFile& file) {
  return {{"path", file.path},      {"size", file.size},   {"modified", file.modified},
          {"upload", file.upload},  {"video", file.video}, {"job", file.job},
          {"outcome", file.outcome}};
}

WatchedFile from_json(const json::value& line) {
  const auto text = [&](const char* name) { return json::value_to<std::string>(line.at(name)); };
  return {.path = text("path"),
          .size = json::value_to<std::int64_t>(line.at("size")),
          .modified = json::value_to<std::int64_t>(line.at("modified")),
          .upload = text("upload"),
          .video = text("video"),
          .job = text("job"),
          .outcome = text("outcome")};
}

}  // namespace

void sync_to_disk(const std::filesystem::path& path) {
  const int descriptor = open(path.empty() ? "." : path.c_str(), O_RDONLY | O_CLOEXEC);
  const bool synced = descriptor >= 0 && fsync(descriptor) == 0;
  const int error = errno;
  if (descriptor >= 0) {
    close(descriptor);
  }
  if (!synced && error != EINVAL) {  // some shares cannot, of folders
    errno = error;
    fail(path);
  }
}

WatchJournal::WatchJournal(std::filesystem::path file) : path_{std::move(file)} {
  if (std::filesystem::exists(path_)) {
    std::ifstream in{path_};
    if (!in) {
      fail(path_);  // an empty one would have everything paid again
    }
    for (std::string line; std::getline(in, line);) {
      try {
        auto known = from_json(json::parse(line));
        files_[known.path] = std::move(known);
      } catch (const std::exception&) {
        continue;  // torn when the machine or this program was stopped
      }
    }
    if (in.bad()) {
      fail(path_);
    }
  }
  const auto fresh = path_.string() + ".new";
  descriptor_ = open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
  if (descriptor_ < 0) {
    fail(fresh);
  }
  for (const auto& [path, known] : files_) {
    append(known);
  }
  if (fsync(descriptor_) != 0) {
    fail(fresh);
  }
  std::filesystem::rename(fresh, path_);
  sync_to_disk(path_.parent_path());
}

WatchJournal::~WatchJournal() {
  if (descriptor_ >= 0) {
    close(descriptor_);
  }
}

void WatchJournal::append(const WatchedFile& file) {
  const std::string line = json_text(to_json(file)) + "\n";
  const auto written = write(descriptor_, line.data(), line.size());
  if (written != static_cast<ssize_t>(line.size())) {
    if (written >= 0) {
      errno = ENOSPC;
    }
    fail(path_);
  }
}

void WatchJournal::put(const WatchedFile& file) {
  append(file);
  if (fsync(descriptor_) != 0) {
    fail(path_);
  }
  files_[file.path] = file;
}

}  // namespace infernode::cli
