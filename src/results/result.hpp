#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/id.hpp"

namespace infernode {

// A result as it is stored: the head of the document, its frames as a blob of JSON text (see
// frame_stream.hpp), the ZIP of the images, and where in it each image lies (see image_index.hpp).
struct NewResult {
  JobId job;
  std::string head;
  std::optional<BlobId> frames_blob;
  std::optional<BlobId> images_blob;
  std::optional<BlobId> index_blob;
  std::optional<BlobId> video_blob{};  // annotated
};

// Bytes of what a result consists of.
struct ResultSizes {
  std::int64_t frames = 0;
  std::int64_t images = 0;
  std::int64_t index = 0;
  std::int64_t video = 0;
};

struct StoredResult {
  std::string head;
  std::optional<BlobId> frames_blob;
  std::int64_t frames_bytes = 0;
  std::optional<BlobId> images_blob;
  std::int64_t images_bytes = 0;
  std::optional<BlobId> index_blob;  // none for results made before there was one
  std::int64_t index_bytes = 0;
  std::optional<BlobId> video_blob;
  std::int64_t video_bytes = 0;
};

}  // namespace infernode
