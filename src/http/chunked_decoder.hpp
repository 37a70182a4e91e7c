#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace infernode::http {

// A chunked body (RFC 9112, 7.1), from its bytes as they come. As strict as the head: lines end in
// CRLF, nothing is folded, sizes have 16 digits at most. What is not content is bounded: a size
// with its extensions, all trailers, and both together in proportion to the content.
class ChunkedDecoder {
public:
  struct Step {
    std::size_t taken = 0;  // bytes of `raw`
    std::size_t given = 0;  // bytes of content in `target`
  };

  // Goes on with these bytes, until they or the room in `target` are at an end, or the body is. The
  // trailers are checked and dropped. Throws BadBody.
  Step decode(std::string_view raw, std::span<std::byte> target);
  bool done() const { return part_ == Part::done; }

private:
  enum class Part { size, content, content_end, trailers, done };

  void take_line();
  void check_overhead() const;

  Part part_ = Part::size;
  std::string line_;            // as far as it has come, without its end
  std::uint64_t left_ = 0;      // bytes of the chunk
  std::uint64_t content_ = 0;   // bytes of all chunks so far
  std::uint64_t overhead_ = 0;  // bytes that were no content
  std::size_t trailer_bytes_ = 0;
};

}  // namespace infernode::http
