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
