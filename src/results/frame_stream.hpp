#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace infernode {

namespace asio = boost::asio;

// How a frame's JSON object is stored: ",{...}\n". A run of them without its first comma is the
// content of a JSON array, so it is served as it is; and each is a line.
std::string frame_line(std::string_view frame_json);

// Takes stored frames apart as they come in, in pieces of any size. Reads lines and what was stored
// before there were lines (",{...},{...}") alike, since it goes by the braces. Memory is bounded by
// the longest frame.
class FrameSplitter {
public:
  // More of the text; call when next() has nothing.
  void feed(std::string_view text);
  // The next frame's JSON object; nullopt when more text is needed. Throws std::runtime_error for
  // what is no run of frames.
  std::optional<std::string> next();
  // Whether the text may end here: not in the middle of a frame.
  bool complete() const { return depth_ == 0; }

private:
  std::string text_;
  std::size_t at_ = 0;     // how far it was looked at
  std::size_t begin_ = 0;  // of the frame that is open
  int depth_ = 0;
  bool in_string_ = false;
  bool escaped_ = false;
};

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
  FrameSplitter splitter_;
};

}  // namespace infernode
