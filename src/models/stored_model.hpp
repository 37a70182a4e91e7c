#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "core/id.hpp"

namespace infernode {

inline constexpr std::int64_t kMaxModelBytes = std::int64_t{2} * 1024 * 1024 * 1024;
inline constexpr std::int64_t kMaxPictureBytes = 8 * 1024 * 1024;

// A model that was brought to the installation; its bytes are in a blob.
struct StoredModel {
  std::string name;
  std::string manifest;  // as it was written
  BlobId file;
  std::int64_t file_bytes = 0;
  std::string sha256;  // of the file, lower-case hex
  Timestamp created_at{};
};

// One that is brought: its file is staged.
struct NewModel {
  std::string manifest;
  BlobId file;
  std::int64_t file_bytes = 0;
  std::string sha256;              // lower-case hex
  std::vector<std::byte> picture;  // what it is tried on: a JPEG or PNG
};

}  // namespace infernode
