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
