#pragma once

#include <algorithm>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "media/byte_source.hpp"

namespace infernode::test {

inline std::vector<std::byte> read_file(const std::string& path) {
  std::ifstream in{path, std::ios::binary};
  const std::string text{std::istreambuf_iterator<char>{in}, {}};
  std::vector<std::byte> bytes(text.size());
  std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

// Has an MP4 shown turned by 90, 180 or 270 degrees clockwise: the matrix in its track's header
// (ISO/IEC 14496-12, 8.3.2; version 0) says so. Versions of ffmpeg differ in how they are asked to
// write it.
inline void turn_mp4(std::vector<std::byte>& bytes, int degrees) {
  const std::string type = "tkhd";
  const auto found = std::search(
      bytes.begin(), bytes.end(), type.begin(), type.end(),
      [](std::byte byte, char letter) { return std::to_integer<char>(byte) == letter; });
  const int cosine = degrees == 180 ? -1 : 0;
  const int sine = degrees == 90 ? 1 : degrees == 270 ? -1 : 0;
  const int matrix[] = {cosine, sine, 0, -sine, cosine};
  auto at = static_cast<std::size_t>(found - bytes.begin()) + 44;
  for (const int number : matrix) {  // 16.16 fixed point, big endian
    const auto fixed = static_cast<std::uint32_t>(number * 0x10000);
    for (int shift = 24; shift >= 0; shift -= 8) {
      bytes.at(at++) = static_cast<std::byte>(fixed >> shift & 0xff);
    }
  }
}

inline void write_file(const std::string& path, const std::vector<std::byte>& bytes) {
  std::ofstream{path, std::ios::binary}.write(reinterpret_cast<const char*>(bytes.data()),
                                              static_cast<std::streamsize>(bytes.size()));
}

// Bytes in memory, served in small pieces as the network would.
class MemorySource : public media::ByteSource {
public:
  explicit MemorySource(std::vector<std::byte> bytes) : bytes_{std::move(bytes)} {}
  std::int64_t size() const override { return static_cast<std::int64_t>(bytes_.size()); }
  std::size_t read_at(std::int64_t offset, std::span<std::byte> target) override {
    if (offset >= size()) {
      return 0;
    }
    const auto at = static_cast<std::size_t>(offset);
    const std::size_t count = std::min({target.size(), bytes_.size() - at, std::size_t{4096}});
    std::memcpy(target.data(), bytes_.data() + at, count);
    return count;
  }

private:
  std::vector<std::byte> bytes_;
};

}  // namespace infernode::test
