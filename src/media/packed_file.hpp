#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/error.hpp"

namespace infernode::media {

// A file in a ZIP.
struct PackedFile {
  std::string name;       // UTF-8 without control characters, with its folders; 1 to 255 bytes
  std::int64_t size = 0;  // bytes, unpacked; at least 1
};

// No ZIP has more.
inline constexpr std::size_t kMaxPackedFiles = 1000;
inline constexpr std::size_t kMaxPackedName = 255;

// Takes what a ZIP has: the list of its files, then the bytes of each in turn.
class PackedFileSink {
public:
  virtual ~PackedFileSink() = default;
  // An Error ends it.
  virtual boost::asio::awaitable<Result<void>> begin(std::vector<PackedFile> files) = 0;
  // Of the file with this place in the list; no piece is of two.
  virtual boost::asio::awaitable<void> write(std::size_t file, std::vector<std::byte> bytes) = 0;
};

}  // namespace infernode::media
