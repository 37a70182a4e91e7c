#include "results/image_index.hpp"

#include <fmt/format.h>

#include <stdexcept>

namespace infernode {
namespace {

template <class Integer>
void put(std::vector<std::byte>& out, Integer value) {
  for (std::size_t i = sizeof(Integer); i-- > 0;) {
    out.push_back(static_cast<std::byte>((value >> (8 * i)) & 0xff));
  }
}

template <class Integer>
Integer take(std::span<const std::byte>& in) {
  Integer value = 0;
  for (std::size_t i = 0; i < sizeof(Integer); ++i) {
    value = static_cast<Integer>((value << 8) | static_cast<Integer>(in[i]));
  }
  in = in.subspan(sizeof(Integer));
  return value;
}

}  // namespace

// No archive is longer.
constexpr int kOffsetBits = 48;
constexpr std::uint64_t kMaxOffset = (1ULL << kOffsetBits) - 1;

void append_to_index(std::vector<std::byte>& index, const IndexedImage& image) {
  put(index, static_cast<std::uint32_t>(image.frame));
  const std::uint64_t part = image.object ? std::uint64_t{*image.object} + 1 : 0;
  put(index, part << kOffsetBits | (image.offset & kMaxOffset));
  put(index, image.size);
  put(index, image.crc32);
}

std::vector<IndexedImage> read_index(std::span<const std::byte> index) {
  if (index.size() % kIndexEntryBytes != 0) {
    throw std::runtime_error("a stored image index is damaged");
  }
  std::vector<IndexedImage> images;
  images.reserve(index.size() / kIndexEntryBytes);
  while (!index.empty()) {
    IndexedImage image;
    image.frame = static_cast<int>(take<std::uint32_t>(index));
    const auto place = take<std::uint64_t>(index);
    image.offset = place & kMaxOffset;
    if (const auto part = place >> kOffsetBits; part > 0) {
      image.object = static_cast<std::uint32_t>(part - 1);
    }
    image.size = take<std::uint32_t>(index);
    image.crc32 = take<std::uint32_t>(index);
    images.push_back(image);
  }
  return images;
}

media::ZipEntry zip_entry(const IndexedImage& image, std::uint64_t base) {
  auto name = image.object ? fmt::format("crops/{:06}-{:03}.jpg", image.frame, *image.object)
                           : fmt::format("{:06}.jpg", image.frame);
  return {std::move(name), base + image.offset, image.size, image.crc32};
}

}  // namespace infernode
