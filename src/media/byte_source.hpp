#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace infernode::media {

// A file that is read in pieces, wherever its bytes are.
class ByteSource {
public:
  virtual ~ByteSource() = default;
  // In bytes.
  virtual std::int64_t size() const = 0;
  // Copies bytes from `offset` on into `target` and returns how many: at least one, unless `offset`
  // is at or past the end. Throws when they cannot be had.
  virtual std::size_t read_at(std::int64_t offset, std::span<std::byte> target) = 0;
};

}  // namespace infernode::media
