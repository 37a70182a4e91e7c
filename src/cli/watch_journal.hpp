#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

namespace infernode::cli {

// How far a watched file has come: what is set, was done.
struct WatchedFile {
  std::string path;  // inside of the folder
  std::int64_t size = 0;
  std::int64_t modified = 0;  // nanoseconds since the epoch
  std::string upload{};       // id of what it is uploaded as
  std::string video{};
  std::string job{};
  std::string outcome{};  // "done", "refused": nothing is left to do
};

// Of a file or a folder. Throws std::runtime_error.
void sync_to_disk(const std::filesystem::path& path);

// Remembers watched files in a file that only grows while it is open: a line of JSON for each
// change, on the disk before the call returns. One that is torn counts as not written.
class WatchJournal {
public:
  // Reads it, and writes it anew without what has changed since. Throws std::runtime_error.
  explicit WatchJournal(std::filesystem::path file);
  ~WatchJournal();
  WatchJournal(const WatchJournal&) = delete;
  WatchJournal& operator=(const WatchJournal&) = delete;

  const std::map<std::string, WatchedFile>& files() const { return files_; }
  // Throws std::runtime_error.
  void put(const WatchedFile& file);

private:
  void append(const WatchedFile& file);

  std::filesystem::path path_;
  int descriptor_ = -1;
  std::map<std::string, WatchedFile> files_;
};

}  // namespace infernode::cli
