#include "http/multipart.hpp"

#include <algorithm>
#include <cctype>

#include "core/blanks.hpp"

namespace infernode::http {
namespace {

constexpr std::size_t kMaxPartHeaderBytes = 8 * 1024;
constexpr std::size_t kMaxPreambleBytes = 8 * 1024;
constexpr std::size_t kMaxPadding = 128;  // white space behind a delimiter
constexpr int kMaxParts = 32;
constexpr std::size_t kReadBytes = 128 * 1024;

Error malformed(const std::string& why) {
  return {ErrorCode::malformed, "The multipart body is malformed: " + why + "."};
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
           return std::tolower(static_cast<unsigned char>(x)) ==
                  std::tolower(static_cast<unsigned char>(y));
         });
}

// The value of a parameter in `form-data; name="a"; filename="b"`, with quoted pairs undone.
std::optional<std::string> parameter(std::string_view value, std::string_view wanted) {
  std::size_t at = std::min(value.find(';'), value.size());
  while (at < value.size()) {
    ++at;  // the semicolon
    const auto equals = value.find('=', at);
    if (equals == std::string_view::npos) {
      return std::nullopt;
    }
    const std::string_view name = without_blanks(value.substr(at, equals - at));
    std::string text;
    at = equals + 1;
    if (at < value.size() && value[at] == '"') {
      for (++at; at < value.size() && value[at] != '"'; ++at) {
        if (value[at] == '\\' && at + 1 < value.size()) {
          ++at;
        }
        text += value[at];
      }
      at = std::min(value.find(';', at), value.size());
    } else {
      const auto end = std::min(value.find(';', at), value.size());
      text = without_blanks(value.substr(at, end - at));
      at = end;
    }
    if (equals_ignoring_case(name, wanted)) {
      return text;
    }
  }
  return std::nullopt;
}

std::string safe_filename(const std::string& given) {
  std::string name;
  for (const char letter : given.substr(given.find_last_of("/\\") + 1)) {
    const auto byte = static_cast<unsigned char>(letter);
    if (byte < 0x20 || byte == 0x7f) {
      continue;
    }
    // U+0080 to U+009F are 0xC2 and this.
    if (byte >= 0x80 && byte < 0xa0 && name.ends_with('\xc2')) {
      name.pop_back();
      continue;
    }
    name += letter;
  }
  return name;
}

}  // namespace

std::optional<std::string> multipart_boundary(std::string_view content_type) {
  const auto kind = without_blanks(content_type.substr(0, content_type.find(';')));
  if (!equals_ignoring_case(kind, "multipart/form-data")) {
    return std::nullopt;
  }
  auto boundary = parameter(content_type, "boundary");
  if (!boundary || boundary->empty() || boundary->size() > 70 ||
      boundary->find_first_of("\r\n") != std::string::npos) {
    return std::nullopt;
  }
  return boundary;
}

// The buffer begins with a line break, so that the first delimiter looks like all others.
MultipartParser::MultipartParser(const std::string& boundary)
    : delimiter_{"\r\n--" + boundary}, buffer_{"\r\n"} {}

void MultipartParser::feed(std::span<const std::byte> bytes) {
  buffer_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

Result<MultipartParser::Event> MultipartParser::next() {
  for (;;) {
    switch (state_) {
      case State::preamble: {
        const auto found = buffer_.find(delimiter_);
        if (found == std::string::npos) {
          if (buffer_.size() > kMaxPreambleBytes) {
            return malformed("it does not begin with its boundary");
          }
          return Event::need_more;
        }
        buffer_.erase(0, found + delimiter_.size());
        state_ = State::after_delimiter;
        break;
      }
      case State::after_delimiter: {
        if (buffer_.size() < 2) {
          return Event::need_more;
        }
        if (buffer_.starts_with("--")) {
          state_ = State::done;
          break;
        }
        const auto line_end = buffer_.find("\r\n");
        const auto padding = buffer_.find_first_not_of(" \t");
        if (line_end != std::string::npos && padding == line_end) {
          buffer_.erase(0, line_end);  // the header may be empty: its line break stays
          state_ = State::header;
          break;
        }
        const bool may_follow = padding == std::string::npos ||
                                (padding + 1 == buffer_.size() && buffer_[padding] == '\r');
        if (may_follow && buffer_.size() <= kMaxPadding) {
          return Event::need_more;
        }
        return malformed("a boundary is not followed by a line break");
      }
      case State::header: {
        const auto end = buffer_.find("\r\n\r\n");
        if (end == std::string::npos) {
          if (buffer_.size() > kMaxPartHeaderBytes) {
            return malformed("the header of a part is too long");
          }
          return Event::need_more;
        }
        if (end > kMaxPartHeaderBytes || ++parts_ > kMaxParts) {
          return malformed("it has too many parts or too long a header");
        }
        header_ = PartHeader{};
        bool named = false;
        std::string_view lines{buffer_.data(), end + 2};
        while (!lines.empty()) {
          const auto line_end = lines.find("\r\n");
          const std::string_view line = lines.substr(0, line_end);
          lines.remove_prefix(line_end + 2);
          const auto colon = line.find(':');
          if (colon == std::string_view::npos ||
              !equals_ignoring_case(line.substr(0, colon), "content-disposition")) {
            continue;
          }
          const std::string_view value = line.substr(colon + 1);
          if (const auto name = parameter(value, "name")) {
            header_.name = *name;
            named = true;
          }
          if (const auto filename = parameter(value, "filename")) {
            header_.filename = safe_filename(*filename);
            header_.is_file = true;
          }
        }
        if (!named) {
          return malformed("a part has no name");
        }
        buffer_.erase(0, end + 4);
        state_ = State::body;
        return Event::part;
      }
      case State::body: {
        const auto found = buffer_.find(delimiter_);
        if (found == 0) {
          buffer_.erase(0, delimiter_.size());
          state_ = State::after_delimiter;
          return Event::part_end;
        }
        // What could be the beginning of a delimiter stays until more is known.
        const std::size_t kept = delimiter_.size() - 1;
        const std::size_t sure = found != std::string::npos
                                     ? found
                                     : (buffer_.size() > kept ? buffer_.size() - kept : 0);
        if (sure == 0) {
          return Event::need_more;
        }
        const auto* begin = reinterpret_cast<const std::byte*>(buffer_.data());
        data_.assign(begin, begin + sure);
        buffer_.erase(0, sure);
        return Event::data;
      }
      case State::done:
        buffer_.clear();
        return Event::end;
    }
  }
}

std::optional<Error> MultipartParser::finish() const {
  return state_ == State::done ? std::nullopt
                               : std::optional{malformed("it ends without its closing boundary")};
}

asio::awaitable<Result<MultipartParser::Event>> MultipartReader::next() {
  for (;;) {
    const auto event = parser_.next();
    if (!event || *event != MultipartParser::Event::need_more) {
      co_return event;
    }
    std::vector<std::byte> bytes(kReadBytes);
    const std::size_t got = co_await stream_.read(bytes);
    if (got == 0) {
      co_return parser_.finish().value();
    }
    parser_.feed(std::span{bytes}.first(got));
  }
}

asio::awaitable<Result<void>> MultipartReader::read_part(PartSink take) {
  for (;;) {
    const auto event = co_await next();
    if (!event) {
      co_return event.error();
    }
    if (*event == MultipartParser::Event::part_end) {
      co_return Result<void>{};
    }
    const auto taken = co_await take(parser_.take_data());
    if (!taken) {
      co_return taken.error();
    }
  }
}

}  // namespace infernode::http
