#include "media/zip_writer.hpp"

#include <zlib.h>

namespace infernode::media {
namespace {

constexpr std::uint32_t kLocalHeaderSignature = 0x04034b50;
constexpr std::uint32_t kDirectorySignature = 0x02014b50;
constexpr std::uint32_t kZip64EndSignature = 0x06064b50;
constexpr std::uint32_t kZip64LocatorSignature = 0x07064b50;
constexpr std::uint32_t kEndSignature = 0x06054b50;
constexpr std::uint16_t kVersion20 = 20;
constexpr std::uint16_t kVersion45 = 45;        // ZIP64
constexpr std::uint16_t kUtf8Names = 1U << 11;  // general purpose bit 11
// 1980-01-01 00:00, the format's first moment: the same frames give the same bytes.
constexpr std::uint16_t kDosDate = (0 << 9) | (1 << 5) | 1;
constexpr std::uint32_t kMax32 = 0xffffffff;
constexpr std::uint16_t kMax16 = 0xffff;
constexpr std::uint64_t kLocalHeaderBytes = 30;

class Bytes {
public:
  template <class Integer>
  Bytes& put(Integer value) {  // little-endian
    for (std::size_t i = 0; i < sizeof(Integer); ++i) {
      bytes_.push_back(static_cast<std::byte>((value >> (8 * i)) & 0xff));
    }
    return *this;
  }
  Bytes& put(const std::string& text) {
    for (const char c : text) {
      bytes_.push_back(static_cast<std::byte>(c));
    }
    return *this;
  }
  std::vector<std::byte> take() { return std::move(bytes_); }

private:
  std::vector<std::byte> bytes_;
};

}  // namespace

std::uint32_t crc32_of(std::span<const std::byte> content, std::uint32_t before) {
  return static_cast<std::uint32_t>(
      crc32_z(before, reinterpret_cast<const Bytef*>(content.data()), content.size()));
}

std::uint64_t zip_header_size(const ZipEntry& entry) {
  return kLocalHeaderBytes + entry.name.size();
}

std::vector<std::byte> zip_local_header(const ZipEntry& entry) {
  return Bytes{}
      .put(kLocalHeaderSignature)
      .put(kVersion20)
      .put(kUtf8Names)
      .put(std::uint16_t{0})  // stored
      .put(std::uint16_t{0})  // time
      .put(kDosDate)
      .put(entry.crc32)
      .put(entry.size)
      .put(entry.size)
      .put(static_cast<std::uint16_t>(entry.name.size()))
      .put(std::uint16_t{0})
      .put(entry.name)
      .take();
}

std::vector<std::byte> zip_directory_record(const ZipEntry& entry) {
  const bool far = entry.offset >= kMax32;
  Bytes record;
  record.put(kDirectorySignature)
      .put(kVersion45)
      .put(far ? kVersion45 : kVersion20)
      .put(kUtf8Names)
      .put(std::uint16_t{0})
      .put(std::uint16_t{0})
      .put(kDosDate)
      .put(entry.crc32)
      .put(entry.size)
      .put(entry.size)
      .put(static_cast<std::uint16_t>(entry.name.size()))
      .put(static_cast<std::uint16_t>(far ? 12 : 0))
      .put(std::uint16_t{0})  // comment
      .put(std::uint16_t{0})  // disk
      .put(std::uint16_t{0})  // internal attributes
      .put(std::uint32_t{0})  // external attributes
      .put(far ? kMax32 : static_cast<std::uint32_t>(entry.offset))
      .put(entry.name);
  if (far) {
    record.put(std::uint16_t{1}).put(std::uint16_t{8}).put(entry.offset);
  }
  return record.take();
}

std::vector<std::byte> zip_end(std::uint64_t entries, std::uint64_t directory_offset,
                               std::uint64_t directory_size) {
  Bytes end;
  if (entries >= kMax16 || directory_offset >= kMax32 || directory_size >= kMax32) {
    end.put(kZip64EndSignature)
        .put(std::uint64_t{44})
        .put(kVersion45)
        .put(kVersion45)
        .put(std::uint32_t{0})
        .put(std::uint32_t{0})
        .put(entries)
        .put(entries)
        .put(directory_size)
        .put(directory_offset)
        .put(kZip64LocatorSignature)
        .put(std::uint32_t{0})
        .put(directory_offset + directory_size)
        .put(std::uint32_t{1});
  }
  const auto count = static_cast<std::uint16_t>(std::min<std::uint64_t>(entries, kMax16));
  end.put(kEndSignature)
      .put(std::uint16_t{0})
      .put(std::uint16_t{0})
      .put(count)
      .put(count)
      .put(static_cast<std::uint32_t>(std::min<std::uint64_t>(directory_size, kMax32)))
      .put(static_cast<std::uint32_t>(std::min<std::uint64_t>(directory_offset, kMax32)))
      .put(std::uint16_t{0});
  return end.take();
}

}  // namespace infernode::media
