#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"
#include "core/id.hpp"

// The headers of tus 1.0.0 (https://tus.io/protocols/resumable-upload), a protocol for uploads that
// are resumed.
namespace infernode::tus {

inline constexpr const char* kVersion = "1.0.0";
inline constexpr const char* kExtensions =
    "creation,creation-with-upload,expiration,checksum,termination";
inline constexpr const char* kAlgorithms = "sha1,sha256,crc32c";
inline constexpr const char* kContentType = "application/offset+octet-stream";

// Upload-Offset or Upload-Length, `name`: a number of bytes, not negative. malformed: it is none.
Result<std::int64_t> parse_bytes(const char* name, std::string_view value);

// Upload-Metadata: what is told of a file.
struct Metadata {
  std::optional<DatasetId> dataset;
  std::string name;  // of "name", else of "filename"; empty: neither
  bool confirm = false;
};
// malformed: not as tus says it (keys with values in base64); invalid: a value that cannot be.
Result<Metadata> parse_metadata(std::string_view value);

// Upload-Checksum: what is announced of a body's bytes, and the same of those that come.
class Checksum {
public:
  virtual ~Checksum() = default;
  virtual void update(std::span<const std::byte> bytes) = 0;
  // Whether the bytes are those that were announced. Once.
  virtual bool holds() = 0;
};
// malformed: an algorithm that is not offered, or no base64 of its length.
Result<std::unique_ptr<Checksum>> parse_checksum(std::string_view value);

}  // namespace infernode::tus
