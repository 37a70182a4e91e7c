#pragma once

#include <boost/json.hpp>
#include <cstdint>

#include "core/id.hpp"

namespace infernode {

// How far the assembly of a job's result has come. Sizes in bytes.
struct Assembly {
  JobId job;
  int position = 0;  // everything of the segments before it is in these blobs
  BlobId images_blob;
  std::int64_t images_bytes = 0;
  BlobId frames_blob;
  std::int64_t frames_bytes = 0;
  BlobId directory_blob;  // of the ZIP; put behind the images in the end
  std::int64_t directory_bytes = 0;
  BlobId index_blob;  // see image_index.hpp
  std::int64_t index_bytes = 0;
  std::int64_t entries = 0;    // images
  boost::json::object totals;  // what the segments add up to
};

}  // namespace infernode
