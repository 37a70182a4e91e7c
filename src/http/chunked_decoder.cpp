#include "http/chunked_decoder.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "core/blanks.hpp"
#include "http/message.hpp"
#include "http/request_head.hpp"

namespace infernode::http {
namespace {

constexpr std::size_t kMaxSizeLine = 1024;
constexpr std::size_t kMaxSizeDigits = 16;
constexpr std::size_t kMaxTrailerBytes = 8 * 1024;
// A byte of content in a chunk of its own costs five more.
constexpr std::uint64_t kOverheadPerByte = 8;
constexpr std::uint64_t kFreeOverhead = 16 * 1024;

[[noreturn]] void refuse(const std::string& what) {
  throw BadBody("The chunked body is not what RFC 9112 says: " + what + ".");
}

// The size before its extensions.
std::uint64_t size_of(std::string_view line) {
  const auto digits = std::min(line.find_first_not_of("0123456789abcdefABCDEF"), line.size());
  std::uint64_t size = 0;
  if (digits == 0 || digits > kMaxSizeDigits) {
    refuse("a chunk's size is no number");
  }
  std::from_chars(line.data(), line.data() + digits, size, 16);
  const auto rest = without_blanks(line.substr(digits));
  if (!rest.empty() && (rest.front() != ';' || !is_field_value(rest))) {
    refuse("a chunk's size is followed by what is no extension");
  }
  if (size > static_cast<std::uint64_t>(INT64_MAX)) {
    refuse("a chunk is longer than anything can be");
  }
  return size;
}

}  // namespace

ChunkedDecoder::Step ChunkedDecoder::decode(std::string_view raw, std::span<std::byte> target) {
  Step step;
  while (part_ != Part::done && step.taken < raw.size()) {
    const auto rest = raw.substr(step.taken);
    if (part_ == Part::content) {
      const auto room = target.size() - step.given;
      if (room == 0) {
        break;
      }
      const auto bytes =
          static_cast<std::size_t>(std::min<std::uint64_t>(left_, std::min(rest.size(), room)));
      std::memcpy(target.data() + step.given, rest.data(), bytes);
      step.taken += bytes;
      step.given += bytes;
      content_ += bytes;
      left_ -= bytes;
      part_ = left_ == 0 ? Part::content_end : part_;
      continue;
    }
    const auto end = rest.find('\n');
    const auto bytes = end == std::string_view::npos ? rest.size() : end + 1;
    line_.append(rest.substr(0, bytes));
    step.taken += bytes;
    overhead_ += bytes;
    check_overhead();
    if (end != std::string_view::npos) {
      if (!line_.ends_with("\r\n")) {
        refuse("a line does not end in CR and LF");
      }
      line_.resize(line_.size() - 2);
      take_line();
      line_.clear();
    }
  }
  return step;
}

void ChunkedDecoder::check_overhead() const {
  if (part_ == Part::trailers && trailer_bytes_ + line_.size() > kMaxTrailerBytes) {
    refuse("its trailers are longer than 8 KiB");
  }
  if (part_ == Part::size && line_.size() > kMaxSizeLine) {
    refuse("a chunk's size and extensions are longer than 1 KiB");
  }
  if (part_ == Part::content_end && !std::string_view{"\r\n"}.starts_with(line_)) {
    refuse("a chunk is longer than its size");
  }
  if (overhead_ > kFreeOverhead + kOverheadPerByte * content_) {
    refuse("it has more extensions than content");
  }
}

void ChunkedDecoder::take_line() {
  if (part_ == Part::size) {
    left_ = size_of(line_);
    part_ = left_ == 0 ? Part::trailers : Part::content;
  } else if (part_ == Part::content_end) {
    if (!line_.empty()) {
      refuse("a chunk is longer than its size");
    }
    part_ = Part::size;
  } else if (line_.empty()) {
    part_ = Part::done;
  } else {
    trailer_bytes_ += line_.size() + 2;
    if (const auto fault = fault_of_field_line(line_)) {
      refuse("in the trailers: " + fault->detail);
    }
  }
}

}  // namespace infernode::http
