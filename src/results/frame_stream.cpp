#include "results/frame_stream.hpp"

#include <stdexcept>

namespace infernode {
namespace {

constexpr std::size_t kPieceBytes = 256 * 1024;

}  // namespace

std::string frame_line(std::string_view frame_json) {
  std::string line;
  line.reserve(frame_json.size() + 2);
  line += ',';
  line += frame_json;
  line += '\n';
  return line;
}

void FrameSplitter::feed(std::string_view text) {
  const std::size_t keep = depth_ > 0 ? begin_ : at_;
  text_.erase(0, keep);
  at_ -= keep;
  begin_ = 0;
  text_ += text;
}

std::optional<std::string> FrameSplitter::next() {
  for (; at_ < text_.size(); ++at_) {
    const char c = text_[at_];
    if (in_string_) {
      if (escaped_) {
        escaped_ = false;
      } else if (c == '\\') {
        escaped_ = true;
      } else if (c == '"') {
        in_string_ = false;
      }
    } else if (c == '{' || c == '[') {
      if (depth_++ == 0) {
        begin_ = at_;
      }
    } else if (c == '}' || c == ']') {
      if (--depth_ < 0) {
        throw std::runtime_error("stored frames are damaged");
      }
      if (depth_ == 0) {
        ++at_;
        return text_.substr(begin_, at_ - begin_);
      }
    } else if (depth_ == 0) {
      if (c != ',' && c != '\n') {
        throw std::runtime_error("stored frames are damaged");
      }
    } else if (c == '"') {
      in_string_ = true;
    }
  }
  return std::nullopt;
}

asio::awaitable<std::optional<std::string>> FrameStream::next() {
  for (;;) {
    if (auto frame = splitter_.next()) {
      co_return frame;
    }
    const auto bytes = co_await read_(offset_, kPieceBytes);
    if (bytes.empty()) {
      if (!splitter_.complete()) {
        throw std::runtime_error("stored frames end in the middle of one");
      }
      co_return std::nullopt;
    }
    offset_ += static_cast<std::int64_t>(bytes.size());
    splitter_.feed({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  }
}

}  // namespace infernode
