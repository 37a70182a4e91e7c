#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/json_splitter.hpp"
#include "media/byte_source.hpp"

namespace infernode::runner {

// Frames of a result as they were stored, a line each, one after the other.
class StoredFrameReader {
public:
  // `source` must outlive it.
  explicit StoredFrameReader(media::ByteSource& source) : source_{source} {}

  // Goes to `frame`, or somewhat before it: finds it by halves, since lines are as long as they
  // are. Throws as next() does.
  void go_to(int frame);
  // nullopt at the end. Throws std::runtime_error for what is no run of frames, and what the source
  // throws.
  std::optional<boost::json::object> next();

private:
  std::int64_t line_after(std::int64_t offset);
  void restart(std::int64_t offset);

  media::ByteSource& source_;
  JsonSplitter splitter_;
  std::vector<char> piece_ = std::vector<char>(256 * 1024);
  std::int64_t offset_ = 0;
};

}  // namespace infernode::runner
