#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "media/zip_writer.hpp"

namespace infernode {

// An annotated image, or one of a single object, among those of its segment or in the whole
// archive.
struct IndexedImage {
  int frame = 0;
  std::optional<std::uint32_t> object;  // the object's place in the frame's list
  std::uint64_t offset = 0;             // of its ZIP header from their beginning, bytes
  std::uint32_t size = 0;               // of the JPEG, bytes
  std::uint32_t crc32 = 0;
};

// An index is 20 bytes an image, big endian: frame (4), 0 or 1 and the object's place (2), offset
// (6), size (4), CRC-32 (4). It is sorted by frame, and within it by object, the frame's own image
// first.
constexpr std::size_t kIndexEntryBytes = 20;
void append_to_index(std::vector<std::byte>& index, const IndexedImage& image);
// Throws std::runtime_error for bytes that are no index.
std::vector<IndexedImage> read_index(std::span<const std::byte> index);
// The image in the archive in which its segment's images begin at `base`: "000123.jpg", or of the
// object 7 "crops/000123-007.jpg".
media::ZipEntry zip_entry(const IndexedImage& image, std::uint64_t base);

}  // namespace infernode
