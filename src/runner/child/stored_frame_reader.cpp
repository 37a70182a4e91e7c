#include "runner/child/stored_frame_reader.hpp"

#include <algorithm>
#include <span>
#include <stdexcept>

namespace infernode::runner {
namespace {

namespace json = boost::json;

// What is read without further search.
constexpr std::int64_t kNearBytes = 512 * 1024;

}  // namespace

std::optional<json::object> StoredFrameReader::next() {
  for (;;) {
    if (const auto text = splitter_.next()) {
      return json::parse(*text).as_object();
    }
    const std::size_t count = source_.read_at(offset_, std::as_writable_bytes(std::span{piece_}));
    if (count == 0) {
      if (!splitter_.complete()) {
        throw std::runtime_error("the stored frames end in the middle of one");
      }
      return std::nullopt;
    }
    offset_ += static_cast<std::int64_t>(count);
    splitter_.feed({piece_.data(), count});
  }
}

void StoredFrameReader::go_to(int frame) {
  std::int64_t before = 0;  // no wanted frame begins before it
  std::int64_t behind = source_.size();
  while (behind - before > kNearBytes) {
    const std::int64_t middle = before + (behind - before) / 2;
    const std::int64_t line = line_after(middle);
    restart(line);
    const auto found = next();
    if (!found || json::value_to<int>(found->at("frame")) >= frame) {
      behind = middle;
    } else {
      before = line;
    }
  }
  restart(before);
}

// Where the first line begins that does not begin before `offset`.
std::int64_t StoredFrameReader::line_after(std::int64_t offset) {
  for (;;) {
    const std::size_t count = source_.read_at(offset, std::as_writable_bytes(std::span{piece_}));
    const auto end = piece_.begin() + static_cast<std::ptrdiff_t>(count);
    const auto found = std::find(piece_.begin(), end, '\n');
    offset += found - piece_.begin();
    if (found != end) {
      return offset + 1;
    }
    if (count == 0) {
      return offset;
    }
  }
}

void StoredFrameReader::restart(std::int64_t offset) {
  offset_ = offset;
  splitter_ = JsonSplitter{};
}

}  // namespace infernode::runner
