#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace infernode {

// Bytes that are free for this user on the file system that holds `path`; nullopt when it cannot be
// asked. Blocks.
std::optional<std::int64_t> free_disk_bytes(const std::filesystem::path& path);

}  // namespace infernode
