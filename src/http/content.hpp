#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "core/error.hpp"
#include "http/message.hpp"

namespace infernode::http {

struct ByteRange {
  enum class Kind { everything, part, outside };
  Kind kind = Kind::everything;
  std::int64_t first = 0;  // of a part
  std::int64_t last = 0;   // inclusive
};

// Reads a Range header (RFC 9110, 14.2) for content of `size` bytes. Everything is to be sent when
// there is none, or one that is malformed, has several ranges or another unit.
ByteRange parse_range(std::string_view header, std::int64_t size);

// Gives up to `max_bytes` from `offset` on.
using ContentReader = std::function<asio::awaitable<std::vector<std::byte>>(std::int64_t offset,
                                                                            std::size_t max_bytes)>;

struct Content {
  std::int64_t size = 0;  // bytes
  std::string type;       // "application/zip"
  std::string tag;        // strong entity tag, with its quotes
  std::string filename;   // for Content-Disposition; empty: shown in place
  ContentReader read;
};

// The whole of it (200), the part that Range asks for (206, 416) or nothing (304), streamed.
Response content_response(const Request& request, Content content);

}  // namespace infernode::http
