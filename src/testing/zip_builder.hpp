#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace infernode::test {

// An entry of a ZIP as it is written, field by field (APPNOTE 6.3.10, 4.3); what is not said is the
// truth.
struct ZipPart {
  std::string name{};
  std::vector<std::byte> content{};
  bool deflated = false;
  bool descriptor = false;  // the sizes come after the content
  bool zip64 = false;       // the sizes and the offset are in the extra field of 64 bits

  std::optional<std::string> local_name{};
  std::optional<std::uint16_t> method{};
  std::optional<std::uint16_t> local_method{};
  std::uint16_t flags = 0;  // besides those for what is said above
  std::optional<std::uint32_t> crc{};
  std::optional<std::uint64_t> packed{};  // bytes, as the directory says
  std::optional<std::uint64_t> size{};    // likewise
  std::optional<std::uint64_t> offset{};  // likewise
  std::uint8_t system = 3;                // Unix
  std::uint32_t attributes = 0;
  bool in_directory = true;
  bool in_body = true;  // false: the directory alone knows it
};

struct ZipEnd {
  std::optional<std::uint64_t> entries{};
  std::optional<std::uint64_t> directory_size{};
  std::optional<std::uint64_t> directory_offset{};
  std::uint16_t comment_length = 0;
  bool zip64 = false;
  std::optional<std::uint64_t> zip64_end_offset{};
};

std::vector<std::byte> build_zip(const std::vector<ZipPart>& parts, const ZipEnd& end = {});
std::vector<std::byte> bytes_of(const std::string& text);

// A ZIP that is refused, and a word of the reason.
struct HostileZip {
  std::string kind;  // bomb, traversal, and so on
  std::string what;
  std::vector<std::byte> bytes;
  std::string reason;
};
// `video` is a sound one. What only a look at the files shows is refused by a server, not by
// ZipReader.
struct HostileZips {
  std::vector<HostileZip> by_reader;
  std::vector<HostileZip> by_server;
};
HostileZips hostile_zips(const std::vector<std::byte>& video);

}  // namespace infernode::test
