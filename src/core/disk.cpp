#include "core/disk.hpp"

#include <sys/statvfs.h>

namespace infernode {

std::optional<std::int64_t> free_disk_bytes(const std::filesystem::path& path) {
  struct statvfs facts {};
  if (statvfs(path.c_str(), &facts) != 0) {
    return std::nullopt;
  }
  return static_cast<std::int64_t>(facts.f_bavail) * static_cast<std::int64_t>(facts.f_frsize);
}

}  // namespace infernode
