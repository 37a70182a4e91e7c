#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "media/byte_source.hpp"
#include "media/packed_file.hpp"

namespace infernode::media {

// A ZIP of files (APPNOTE 6.3.10; read by libzip) of people who send many at once; opened in the
// box alone. What only an attack has is refused by name; docs/uploads.md has the list. Everything
// here throws MediaError, what() naming the file that is at fault, and what the source throws.
class ZipReader {
public:
  // `source` must outlive it. All files together may have `most_bytes` unpacked.
  ZipReader(ByteSource& source, std::int64_t most_bytes);
  ~ZipReader();
  ZipReader(const ZipReader&) = delete;
  ZipReader& operator=(const ZipReader&) = delete;

  // In the archive's order; without folders, hidden files and what systems leave in folders.
  const std::vector<PackedFile>& files() const { return files_; }
  // Unpacks them all, in this order, in pieces that end with their file.
  void read(const std::function<void(std::span<const std::byte>)>& sink);

private:
  struct Archive;
  void list(std::int64_t most_bytes);
  void read_file(std::size_t file, const std::function<void(std::span<const std::byte>)>& sink);

  std::unique_ptr<Archive> archive_;
  std::vector<PackedFile> files_;
  std::vector<std::uint64_t> places_;  // of files_, in the archive's directory
};

}  // namespace infernode::media
