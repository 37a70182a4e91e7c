#include "core/json.hpp"

#include <fmt/format.h>

#include <boost/json/basic_parser_impl.hpp>
#include <charconv>
#include <cmath>
#include <set>

namespace infernode {
namespace {

constexpr std::size_t kMaxDepth = 32;
// Of an object, that are looked at for duplicates; no request of ours has that many.
constexpr std::size_t kMaxNames = 1000;
// Of a number, that every double keeps.
constexpr std::size_t kSafeDigits = 15;

void append(std::string& out, const boost::json::value& value);

void append_double(std::string& out, double number) {
  if (!std::isfinite(number)) {
    out += "null";
    return;
  }
  char buffer[400];  // the longest fixed form of a double: 309 digits and a sign
  const bool readable = number == 0 || (std::abs(number) >= 1e-9 && std::abs(number) < 1e17);
  const auto end =
      std::to_chars(buffer, buffer + sizeof buffer, number,
                    readable ? std::chars_format::fixed : std::chars_format::scientific);
  out.append(buffer, end.ptr);
}

void append(std::string& out, const boost::json::value& value) {
  if (const auto* object = value.if_object()) {
    out += '{';
    const char* separator = "";
    for (const auto& [key, member] : *object) {
      out += separator;
      out += boost::json::serialize(boost::json::string_view{key});
      out += ':';
      append(out, member);
      separator = ",";
    }
    out += '}';
  } else if (const auto* array = value.if_array()) {
    out += '[';
    const char* separator = "";
    for (const auto& element : *array) {
      out += separator;
      append(out, element);
      separator = ",";
    }
    out += ']';
  } else if (const auto* number = value.if_double()) {
    append_double(out, *number);
  } else {
    out += boost::json::serialize(value);
  }
}

// Depth is bounded by the parser, so recursion is too.
bool has_nul(const boost::json::value& value) {
  if (const auto* text = value.if_string()) {
    return text->find('\0') != boost::json::string::npos;
  }
  if (const auto* object = value.if_object()) {
    return std::any_of(object->begin(), object->end(), [](const auto& member) {
      return member.key().find('\0') != boost::json::string_view::npos || has_nul(member.value());
    });
  }
  if (const auto* array = value.if_array()) {
    return std::any_of(array->begin(), array->end(), has_nul);
  }
  return false;
}

// Digits of a number without its sign, its exponent, and zeros around it.
std::string significant_digits(std::string_view number) {
  std::string digits;
  for (const char c : number.substr(0, std::min(number.find_first_of("eE"), number.size()))) {
    if ((c >= '1' && c <= '9') || (c == '0' && !digits.empty())) {
      digits += c;
    }
  }
  digits.erase(digits.find_last_not_of('0') + 1);
  return digits;
}

// Whether a double keeps what the text of a number says.
bool keeps(double number, std::string_view text) {
  char shortest[32];
  const auto end = std::to_chars(shortest, shortest + sizeof shortest, number);
  const auto digits = significant_digits(text);
  return digits.size() <= kSafeDigits ||
         digits == significant_digits({shortest, static_cast<std::size_t>(end.ptr - shortest)});
}

// Listens to the parser for what the tree does not tell: a name that an object has twice, and what
// a number exactly says (Boost.JSON 1.81 does not round correctly).
struct TextHandler {
  static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);
  using View = boost::json::string_view;
  using Code = boost::system::error_code;

  std::vector<std::set<std::string>> open{};
  std::string key{};
  std::string digits{};
  std::optional<std::string> duplicate{};
  std::optional<std::string> unkept{};  // a number out of a double's range, or more exact than one
  std::vector<double> doubles{};        // in the order of the text

  void end_number(View rest, bool keep) {
    digits.append(rest.data(), rest.size());
    if (keep) {
      double number = 0;
      const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), number);
      doubles.push_back(number);
      if (!unkept && (read.ec != std::errc{} || !keeps(number, digits))) {
        unkept = digits;
      }
    }
    digits.clear();
  }

  bool on_document_begin(Code& /*code*/) { return true; }
  bool on_document_end(Code& /*code*/) { return true; }
  bool on_object_begin(Code& /*code*/) {
    open.emplace_back();
    return true;
  }
  bool on_object_end(std::size_t /*size*/, Code& /*code*/) {
    open.pop_back();
    return true;
  }
  bool on_array_begin(Code& /*code*/) { return true; }
  bool on_array_end(std::size_t /*size*/, Code& /*code*/) { return true; }
  bool on_key_part(View part, std::size_t /*size*/, Code& /*code*/) {
    key.append(part.data(), part.size());
    return true;
  }
  bool on_key(View part, std::size_t /*size*/, Code& /*code*/) {
    key.append(part.data(), part.size());
    auto& names = open.back();
    if (names.contains(key) && !duplicate) {
      duplicate = key;
    } else if (names.size() < kMaxNames) {
      names.insert(key);
    }
    key.clear();
    return true;
  }
  bool on_string_part(View /*part*/, std::size_t /*size*/, Code& /*code*/) { return true; }
  bool on_string(View /*part*/, std::size_t /*size*/, Code& /*code*/) { return true; }
  bool on_number_part(View part, Code& /*code*/) {
    digits.append(part.data(), part.size());
    return true;
  }
  bool on_int64(std::int64_t /*number*/, View text, Code& /*code*/) {
    end_number(text, false);
    return true;
  }
  bool on_uint64(std::uint64_t /*number*/, View text, Code& /*code*/) {
    end_number(text, false);
    return true;
  }
  bool on_double(double /*number*/, View text, Code& /*code*/) {
    end_number(text, true);
    return true;
  }
  bool on_bool(bool /*flag*/, Code& /*code*/) { return true; }
  bool on_null(Code& /*code*/) { return true; }
  bool on_comment_part(View /*part*/, Code& /*code*/) { return true; }
  bool on_comment(View /*part*/, Code& /*code*/) { return true; }
};

// Puts exactly read numbers in the places of those that the tree has; both in the text's order.
void replace_doubles(boost::json::value& value, std::vector<double>::const_iterator& next) {
  if (auto* number = value.if_double()) {
    *number = *next++;
  } else if (auto* object = value.if_object()) {
    for (auto& member : *object) {
      replace_doubles(member.value(), next);
    }
  } else if (auto* array = value.if_array()) {
    for (auto& element : *array) {
      replace_doubles(element, next);
    }
  }
}

}  // namespace

std::string json_text(const boost::json::value& value) {
  std::string out;
  append(out, value);
  return out;
}

Result<boost::json::value> parse_json(std::string_view text) {
  boost::json::parse_options options;
  options.max_depth = kMaxDepth;
  boost::json::stream_parser parser{{}, options};
  boost::system::error_code error;
  const std::size_t read = parser.write_some(text.data(), text.size(), error);
  if (!error) {
    parser.finish(error);
  }
  if (error) {
    return Error{ErrorCode::malformed,
                 fmt::format("the JSON is malformed at byte {}: {}", read, error.message())};
  }
  if (text.find_first_not_of(" \t\r\n", read) != std::string_view::npos) {
    return Error{ErrorCode::malformed, fmt::format("extra data follows the JSON at byte {}", read)};
  }
  boost::json::basic_parser<TextHandler> listener{options};
  listener.write_some(false, text.data(), text.size(), error);
  auto& heard = listener.handler();
  if (heard.duplicate) {
    return Error{ErrorCode::malformed,
                 fmt::format("an object in the JSON has the member \"{}\" twice",
                             utf8_prefix(*heard.duplicate, 100))};
  }
  if (heard.unkept) {
    return Error{
        ErrorCode::malformed,
        fmt::format("the number {} in the JSON is too large, too small or too exact to be kept; {} "
                    "digits always can",
                    utf8_prefix(*heard.unkept, 100), kSafeDigits)};
  }
  auto value = parser.release();
  auto next = heard.doubles.cbegin();
  replace_doubles(value, next);
  if (has_nul(value)) {
    return Error{ErrorCode::malformed, "a string in the JSON holds the character U+0000"};
  }
  return value;
}

bool has_control_character(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    // U+0080 to U+009F are 0xC2 and one byte below 0xA0.
    const bool c1 =
        c == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0;
    if (c < 0x20 || c == 0x7f || c1) {
      return true;
    }
  }
  return false;
}

bool is_utf8(std::string_view text) {
  if (text.find('\0') != std::string_view::npos) {
    return false;
  }
  // Boost.JSON checks the encoding of every string that it reads.
  std::string quoted = "\"";
  for (const char c : text) {
    quoted += static_cast<unsigned char>(c) < 0x80 ? ' ' : c;
  }
  return parse_json(quoted + "\"").has_value();
}

std::string_view utf8_prefix(std::string_view text, std::size_t bytes) {
  if (text.size() <= bytes) {
    return text;
  }
  while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xc0) == 0x80) {
    --bytes;
  }
  return text.substr(0, bytes);
}

boost::json::value json_tokens(Tokens tokens) {
  if (tokens.thousandths() % 1000 == 0) {
    return tokens.thousandths() / 1000;
  }
  return tokens.to_double();
}

}  // namespace infernode
