#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/json_splitter.hpp"

namespace infernode {

namespace asio = boost::asio;

// How a frame's JSON object is stored: ",{...}\n". A run of them without its first comma is the
// content of a JSON array, so it is served as it is; and each is a line.
std::string frame_line(std::string_view frame_json);

// The frames of a result, one after the other. `read` gives up to so many bytes from an offset on,
// none at the end.
class FrameStream {
public:
  using Read = std::function<asio::awaitable<std::vector<std::byte>>(std::int64_t offset,
                                                                     std::size_t max_bytes)>;
  explicit FrameStream(Read read) : read_{std::move(read)} {}

  // The next frame's JSON object; nullopt at the end. Throws std::runtime_error for what is no run
  // of frames, and what `read` throws.
  asio::awaitable<std::optional<std::string>> next();

private:
  Read read_;
  std::int64_t offset_ = 0;
  JsonSplitter splitter_;
};

}  // namespace infernode
