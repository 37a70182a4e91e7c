#include "results/frame_query.hpp"

#include <boost/json.hpp>
#include <charconv>
#include <stdexcept>
#include <vector>

#include "core/blocking.hpp"
#include "core/json_splitter.hpp"

namespace infernode {
namespace {

// Longer than nearly every line, so that one read mostly shows where the next begins.
constexpr std::size_t kLineBytes = 16 * 1024;

bool passes(const FrameQuery& query, const boost::json::object& object) {
  if (query.label) {
    const auto* label = object.if_contains("label");
    if (label == nullptr || !label->is_string() || label->get_string() != *query.label) {
      return false;
    }
  }
  if (query.confidence) {
    const auto* confidence = object.if_contains("confidence");
    if (confidence == nullptr || confidence->to_number<double>() < *query.confidence) {
      return false;
    }
  }
  if (query.track_id) {
    const auto* track = object.if_contains("track_id");
    return track != nullptr && track->to_number<std::int64_t>() == *query.track_id;
  }
  return true;
}

}  // namespace

std::optional<int> frame_number(std::string_view frame_json) {
  constexpr std::string_view kBegin = R"({"frame":)";
  if (!frame_json.starts_with(kBegin)) {
    return std::nullopt;
  }
  const auto text = frame_json.substr(kBegin.size());
  int frame = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), frame);
  // Where the text ends the number may go on.
  const bool whole = error == std::errc{} && end != text.data() + text.size();
  return whole ? std::optional{frame} : std::nullopt;
}

std::optional<std::string> FrameQuery::apply(std::string frame_json) const {
  if (!filters()) {
    return frame_json;
  }
  constexpr std::string_view kObjects = R"("objects":)";
  const auto key = frame_json.find(kObjects);
  if (key == std::string::npos) {
    return std::nullopt;
  }
  // Objects are given as they are stored: numbers written anew may differ in their last digit.
  const auto begin = key + kObjects.size();
  JsonSplitter members;
  members.feed(std::string_view{frame_json}.substr(begin));
  const auto array = members.next().value();
  JsonSplitter objects;
  objects.feed(std::string_view{array}.substr(1, array.size() - 2));
  std::string kept;
  while (const auto object = objects.next()) {
    if (passes(*this, boost::json::parse(*object).as_object())) {
      kept.append(kept.empty() ? "[" : ",").append(*object);
    }
  }
  if (kept.empty()) {
    return std::nullopt;
  }
  return frame_json.replace(begin, array.size(), kept + "]");
}

asio::awaitable<std::optional<FrameLine>> next_frame_line(FrameStream::Read read, std::int64_t size,
                                                          std::int64_t offset) {
  // A line begins at 0 and behind each end of one.
  bool begins = offset == 0;
  std::int64_t at = begins ? 0 : offset - 1;
  std::string text;
  std::int64_t begin = 0;
  while (at < size) {
    const auto bytes = co_await read(at, kLineBytes);
    if (bytes.empty()) {
      break;
    }
    std::string_view piece{reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    if (text.empty()) {
      if (!begins) {
        const auto end = piece.find('\n');
        if (end == std::string_view::npos) {
          at += static_cast<std::int64_t>(piece.size());
          continue;
        }
        begins = true;
        at += static_cast<std::int64_t>(end) + 1;
        piece.remove_prefix(end + 1);
      }
      begin = at;
    }
    text += piece;
    at += static_cast<std::int64_t>(piece.size());
    const std::string_view line = text;
    if (const auto frame = frame_number(line.substr(line.starts_with(',') ? 1 : 0))) {
      co_return FrameLine{begin, *frame};
    }
    if (text.size() > kLineBytes) {
      break;
    }
  }
  if (!text.empty()) {
    throw std::runtime_error("stored frames have a line that begins with no frame's number");
  }
  co_return std::nullopt;
}

asio::awaitable<std::int64_t> find_frame(FrameStream::Read read, std::int64_t size, int frame) {
  // Lines that begin before `low` are of earlier frames; one that begins at or after `high` is not.
  std::int64_t low = 0;
  std::int64_t high = size;
  while (low < high) {
    const std::int64_t middle = low + (high - low) / 2;
    const auto line = co_await next_frame_line(read, size, middle);
    if (!line || line->frame >= frame) {
      high = middle;
    } else {
      low = line->begin + 1;
    }
  }
  const auto line = co_await next_frame_line(read, size, low);
  co_return line ? line->begin : size;
}

struct FrameSelection::Pass {
  FrameQuery query;
  JsonSplitter splitter{};
  int given = 0;  // frames
  bool ended = false;

  // Of the lines that are whole now.
  std::string add(const std::vector<std::byte>& bytes) {
    splitter.feed({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    std::string lines;
    while (auto json = splitter.next()) {
      const auto frame = frame_number(*json);
      if (!frame) {
        throw std::runtime_error("a stored frame does not begin with its number");
      }
      ended = ended || *frame >= query.to || given == query.limit;
      if (ended) {
        break;
      }
      if (const auto wanted = query.apply(std::move(*json))) {
        lines.append(*wanted).append("\n");
        ++given;
      }
    }
    ended = ended || bytes.empty() || given == query.limit;
    return lines;
  }
};

FrameSelection::FrameSelection(FrameStream::Read read, std::int64_t begin, std::int64_t size,
                               FrameQuery query, asio::thread_pool& workers)
    : read_{std::move(read)},
      offset_{begin},
      size_{size},
      workers_{workers},
      pass_{std::make_shared<Pass>(Pass{std::move(query)})} {}

asio::awaitable<std::string> FrameSelection::next() {
  constexpr std::size_t kReadBytes = 128 * 1024;
  constexpr std::int64_t kQuietBytes = 8 * 1024 * 1024;
  const std::int64_t began = offset_;
  while (!pass_->ended) {
    if (offset_ - began >= kQuietBytes) {
      co_return "\n";  // shows whether anybody is there, and who is that it goes on
    }
    auto bytes = co_await read_(offset_, kReadBytes);
    if (bytes.empty() && offset_ < size_) {
      throw std::runtime_error("stored frames end before their end");  // deleted meanwhile
    }
    offset_ += static_cast<std::int64_t>(bytes.size());
    auto working = [pass = pass_, piece = std::move(bytes)] { return pass->add(piece); };
    auto lines = co_await run_blocking(workers_, std::move(working));
    if (!lines.empty()) {
      co_return lines;
    }
  }
  co_return "";
}

}  // namespace infernode
