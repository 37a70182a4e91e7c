#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/id.hpp"

namespace infernode {

// A result as it is stored: the head of the document, its frames as a blob of JSON text (",{...}"
// for each), and the ZIP of the images.
struct NewResult {
  JobId job;
  std::string head;
  std::optional<BlobId> frames;
  std::optional<BlobId> images;
};

struct StoredResult {
  std::string head;
  std::optional<BlobId> frames;
  std::int64_t frames_bytes = 0;
  std::optional<BlobId> images;
  std::int64_t images_bytes = 0;
};

}  // namespace infernode
