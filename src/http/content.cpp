#include "http/content.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>
#include <chrono>
#include <exception>
#include <memory>
#include <optional>
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

// The pieces of a range, each of which is read while the one before it is sent.
class ReadAhead : public std::enable_shared_from_this<ReadAhead> {
public:
  ReadAhead(ContentReader read, const ByteRange& part)
      : read_{std::move(read)}, at_{part.first}, last_{part.last} {}

  // Empty at the end.
  asio::awaitable<std::string> next() {
    if (!reading_) {
      if (at_ > last_) {
        co_return std::string{};
      }
      co_await begin();
    }
    while (!read_through_) {
      boost::system::error_code woken;
      co_await done_->async_wait(asio::redirect_error(asio::use_awaitable, woken));
    }
    reading_ = false;
    if (failure_) {
      std::rethrow_exception(failure_);
    }
    std::string piece = std::move(piece_);
    at_ += static_cast<std::int64_t>(piece.size());
    if (at_ <= last_) {
      co_await begin();
    }
    co_return piece;
  }

private:
  asio::awaitable<void> begin() {
    const auto executor = co_await asio::this_coro::executor;
    reading_ = true;
    read_through_ = false;
    done_.emplace(executor, std::chrono::steady_clock::time_point::max());
    asio::co_spawn(executor, read(), [self = shared_from_this()](const std::exception_ptr& error) {
      self->failure_ = error;
      self->read_through_ = true;
      self->done_->cancel();
    });
  }

  asio::awaitable<void> read() {
    const auto wanted = static_cast<std::size_t>(std::min(kPieceBytes, last_ - at_ + 1));
    const auto bytes = co_await read_(at_, wanted);
    if (bytes.empty()) {
      throw std::runtime_error("stored content is shorter than its row says");
    }
    piece_.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }

  ContentReader read_;
  std::int64_t at_;
  std::int64_t last_;
  std::string piece_;
  std::exception_ptr failure_;
  std::optional<asio::steady_timer> done_;
  bool reading_ = false;
  bool read_through_ = false;
};

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
  if (names_tag(request.header("if-none-match"), content.tag)) {
    response.status = 304;
    response.headers.emplace_back("ETag", content.tag);
    return response;
  }
  const std::string if_range = request.header("if-range");
  const bool current =
      request.method == "GET" && (if_range.empty() || if_range == content.tag);  // RFC 9110, 14.2
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
  auto pieces = std::make_shared<ReadAhead>(std::move(content.read), part);
  response.source = [pieces]() { return pieces->next(); };
  return response;
}

}  // namespace infernode::http
