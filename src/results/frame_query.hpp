#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "results/frame_stream.hpp"

namespace infernode {

// What is wanted of a result's frames.
struct FrameQuery {
  int from = 0;                                 // first frame
  int to = std::numeric_limits<int>::max();     // to stop before
  int limit = std::numeric_limits<int>::max();  // frames
  // Of objects; with one of them, only frames that have such objects.
  std::optional<std::string> label{};
  std::optional<double> confidence{};  // least
  std::optional<std::int64_t> track_id{};

  bool filters() const { return label || confidence || track_id; }
  // The frame's JSON with the objects that pass; nullopt when none does. Throws
  // boost::system::system_error for what is no JSON.
  std::optional<std::string> apply(std::string frame_json) const;
};

// The number of a frame, which its JSON begins with. nullopt: it does not.
std::optional<int> frame_number(std::string_view frame_json);

// Where in stored frames (see frame_line()) the line of the first frame at or after `frame` begins;
// `size` when there is none. Reads a few pieces, whatever the size.
asio::awaitable<std::int64_t> find_frame(FrameStream::Read read, std::int64_t size, int frame);

// Where the line that begins at or after `offset` begins, and of what frame it is; nullopt: there
// is none.
struct FrameLine {
  std::int64_t begin = 0;
  int frame = 0;
};
asio::awaitable<std::optional<FrameLine>> next_frame_line(FrameStream::Read read, std::int64_t size,
                                                          std::int64_t offset);

// The frames that a query wants, a line each, in pieces. They are taken apart on a thread of
// `workers`: that may take longer than an I/O thread has.
class FrameSelection {
public:
  // `begin`: of find_frame().
  FrameSelection(FrameStream::Read read, std::int64_t begin, std::int64_t size, FrameQuery query,
                 asio::thread_pool& workers);

  // The next piece; empty at the end. A line without a frame where nothing passes for long. Throws
  // std::exception for stored frames that are none, and where they end before `size`.
  asio::awaitable<std::string> next();

private:
  struct Pass;

  FrameStream::Read read_;
  std::int64_t offset_;
  std::int64_t size_;
  asio::thread_pool& workers_;
  std::shared_ptr<Pass> pass_;  // shared with the thread that works on it
};

}  // namespace infernode
