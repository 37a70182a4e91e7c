#include "http/content.hpp"

#include <fmt/format.h>

#include <charconv>
#include <memory>
#include <stdexcept>

#include "http/problem.hpp"

namespace infernode::http {
namespace {

constexpr std::int64_t kPieceBytes = 512 * 1024;

std::optional<std::int64_t> number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc{} && end == text.data() + text.size() && value >= 0;
  return whole ? std::optional{value} : std::nullopt;
}

// Quotes and backslashes are escaped; what no header may carry is replaced.
std::string quoted_string(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      result += '\\';
    }
    const auto byte = static_cast<unsigned char>(c);
    result += byte < 0x20 || byte >= 0x7f ? '_' : c;
  }
  return result + "\"";
}

}  // namespace

ByteRange parse_range(std::string_view header, std::int64_t size) {
  constexpr std::string_view kUnit = "bytes=";
  if (!header.starts_with(kUnit) || header.find(',') != std::string_view::npos) {
    return {};
  }
  header.remove_prefix(kUnit.size());
  const auto dash = header.find('-');
  if (dash == std::string_view::npos) {
    return {};
  }
  const auto first = number(header.substr(0, dash));
  const auto last = number(header.substr(dash + 1));
  using Kind = ByteRange::Kind;
  const ByteRange outside{Kind::outside};
  if (dash == 0 && last) {  // the last so many bytes
    if (*last == 0 || size == 0) {
      return outside;
    }
    return {Kind::part, std::max<std::int64_t>(0, size - *last), size - 1};
  }
  const bool open_end = dash + 1 == header.size();
  if (!first || (!last && !open_end) || (last && *last < *first)) {
    return {};
  }
  if (*first >= size) {
    return outside;
  }
  return {Kind::part, *first, std::min(last.value_or(size - 1), size - 1)};
}

Response content_response(const Request& request, Content content) {
  Response response;
  if (request.header("if-none-match").find(content.tag) != std::string::npos) {
    response.status = 304;
    response.headers.emplace_back("ETag", content.tag);
    return response;
  }
  const std::string if_range = request.header("if-range");
  const bool current = if_range.empty() || if_range == content.tag;
  const auto range = parse_range(current ? request.header("range") : "", content.size);
  if (range.kind == ByteRange::Kind::outside) {
    return range_response(content.size, request.request_id);
  }
  ByteRange part{ByteRange::Kind::part, 0, content.size - 1};
  if (range.kind == ByteRange::Kind::part) {
    part = range;
    response.status = 206;
    response.headers.emplace_back(
        "Content-Range", fmt::format("bytes {}-{}/{}", part.first, part.last, content.size));
  }
  response.headers.emplace_back("Content-Type", content.type);
  response.headers.emplace_back("ETag", content.tag);
  response.headers.emplace_back("Accept-Ranges", "bytes");
  if (!content.filename.empty()) {
    response.headers.emplace_back("Content-Disposition",
                                  "attachment; filename=" + quoted_string(content.filename));
  }
  response.content_length = static_cast<std::uint64_t>(part.last - part.first + 1);
  auto next = std::make_shared<std::int64_t>(part.first);
  response.source = [read = std::move(content.read), next,
                     last = part.last]() -> asio::awaitable<std::string> {
    if (*next > last) {
      co_return std::string{};
    }
    const auto wanted = static_cast<std::size_t>(std::min(kPieceBytes, last - *next + 1));
    const auto bytes = co_await read(*next, wanted);
    if (bytes.empty()) {
      throw std::runtime_error("stored content is shorter than its row says");
    }
    *next += static_cast<std::int64_t>(bytes.size());
    co_return std::string{reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  };
  return response;
}

}  // namespace infernode::http
