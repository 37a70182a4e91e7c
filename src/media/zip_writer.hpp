#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace infernode::media {

// A ZIP file (APPNOTE 6.3.10, stored entries, ZIP64 where a size or offset needs it) written in
// pieces that need not be made in order: each entry's bytes stand for themselves, so that workers
// can write parts of one archive on different machines and only the directory at the end has to
// know them all.

struct ZipEntry {
  std::string name;
  std::uint64_t offset = 0;  // of the local header in the archive, bytes
  std::uint32_t size = 0;    // of the content, bytes
  std::uint32_t crc32 = 0;
};

// Of what follows content whose checksum is `before`, of both together.
std::uint32_t crc32_of(std::span<const std::byte> content, std::uint32_t before = 0);
// What precedes an entry's content.
std::vector<std::byte> zip_local_header(const ZipEntry& entry);
// Bytes between an entry's offset and its content.
std::uint64_t zip_header_size(const ZipEntry& entry);
// One record of the directory. The records of all entries follow the last entry, in order.
std::vector<std::byte> zip_directory_record(const ZipEntry& entry);
// What follows the directory, which begins at `directory_offset` and has `directory_size` bytes.
std::vector<std::byte> zip_end(std::uint64_t entries, std::uint64_t directory_offset,
                               std::uint64_t directory_size);

}  // namespace infernode::media
