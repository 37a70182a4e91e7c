// parse_json(): one pass over the text that builds the tree and finds what Boost.JSON lets through.
#include <fmt/format.h>

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/value_stack.hpp>
#include <charconv>
#include <set>
#include <utility>
#include <vector>

#include "core/json.hpp"

namespace infernode {
namespace {

constexpr std::size_t kMaxDepth = 32;
// Of an object or a list; no request of ours has more. The bound keeps every later check cheap.
constexpr std::size_t kMaxMembers = 1000;
constexpr std::size_t kMaxPointerBytes = 200;
// Of a number, that every double keeps.
constexpr std::size_t kSafeDigits = 15;

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

// What the parser tells of what it reads, in the form that basic_parser asks for. A function that
// returns false ends the reading; `fault` says why.
struct Builder {
  static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);
  using View = boost::json::string_view;
  using Code = boost::system::error_code;

  // An object or a list that is not at its end yet.
  struct Open {
    bool object = false;
    std::size_t members = 0;        // begun
    std::set<std::string> names{};  // of an object
    std::string name{};             // of the member being read
  };

  boost::json::value_stack values{};
  std::vector<Open> open{};
  std::string part{};  // of a name, string or number that comes in pieces
  std::optional<Error> fault{};

  bool refuse(Error why, Code& code) {
    fault = std::move(why);
    code = make_error_code(boost::system::errc::invalid_argument);
    return false;
  }
  bool refuse_malformed(std::string why, Code& code) {
    return refuse(Error{ErrorCode::malformed, std::move(why)}, code);
  }
  // For what is JSON, but nothing that a request may hold.
  bool refuse_unfit(std::string why, Code& code) {
    std::string pointer;
    for (auto level = open.rbegin(); level != open.rend(); ++level) {
      const std::string step = level->object ? level->name : std::to_string(level->members - 1);
      if (pointer.size() + step.size() < kMaxPointerBytes) {
        pointer.insert(0, "/" + step);
      }
    }
    Error error{ErrorCode::invalid, fmt::format("{}: {}", pointer, why)};
    error.fields.push_back(FieldError{std::move(pointer), std::move(why)});
    return refuse(std::move(error), code);
  }
  // Before each value. The members of objects are counted by their names.
  bool count(Code& code) {
    if (open.empty() || open.back().object) {
      return true;
    }
    if (open.back().members == kMaxMembers) {
      open.pop_back();
      return refuse_unfit(fmt::format("has more than {} items", kMaxMembers), code);
    }
    ++open.back().members;
    return true;
  }
  View whole(View rest) {
    if (part.empty()) {
      return rest;
    }
    part.append(rest.data(), rest.size());
    return part;
  }

  bool on_document_begin(Code& /*code*/) {
    values.reset();
    return true;
  }
  bool on_document_end(Code& /*code*/) { return true; }
  bool on_object_begin(Code& code) {
    const bool fits = count(code);
    open.push_back(Open{true});
    return fits;
  }
  bool on_object_end(std::size_t size, Code& /*code*/) {
    open.pop_back();
    values.push_object(size);
    return true;
  }
  bool on_array_begin(Code& code) {
    const bool fits = count(code);
    open.push_back(Open{false});
    return fits;
  }
  bool on_array_end(std::size_t size, Code& /*code*/) {
    open.pop_back();
    values.push_array(size);
    return true;
  }
  bool on_key_part(View piece, std::size_t /*size*/, Code& /*code*/) {
    part.append(piece.data(), piece.size());
    return true;
  }
  bool on_key(View piece, std::size_t /*size*/, Code& code) {
    auto& object = open.back();
    object.name = whole(piece);
    part.clear();
    if (object.name.find('\0') != std::string::npos) {
      return refuse_malformed("a name in the JSON holds the character U+0000", code);
    }
    if (!object.names.insert(object.name).second) {
      return refuse_malformed(fmt::format("an object in the JSON has the member \"{}\" twice",
                                          utf8_prefix(object.name, 100)),
                              code);
    }
    if (object.names.size() > kMaxMembers) {
      open.pop_back();
      return refuse_unfit(fmt::format("has more than {} members", kMaxMembers), code);
    }
    values.push_key(object.name);
    return true;
  }
  bool on_string_part(View piece, std::size_t /*size*/, Code& /*code*/) {
    part.append(piece.data(), piece.size());
    return true;
  }
  bool on_string(View piece, std::size_t /*size*/, Code& code) {
    if (!count(code)) {
      return false;
    }
    const View text = whole(piece);
    if (text.find('\0') != View::npos) {
      return refuse_malformed("a string in the JSON holds the character U+0000", code);
    }
    if (has_control_character({text.data(), text.size()})) {
      return refuse_unfit("holds a control character", code);
    }
    values.push_string(text);
    part.clear();
    return true;
  }
  bool on_number_part(View piece, Code& /*code*/) {
    part.append(piece.data(), piece.size());
    return true;
  }
  bool on_int64(std::int64_t number, View /*piece*/, Code& code) {
    part.clear();
    values.push_int64(number);
    return count(code);
  }
  bool on_uint64(std::uint64_t number, View /*piece*/, Code& code) {
    part.clear();
    values.push_uint64(number);
    return count(code);
  }
  // Read anew from its text: Boost.JSON 1.81 does not round correctly.
  bool on_double(double /*number*/, View piece, Code& code) {
    const View text = whole(piece);
    double number = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
    if (read.ec != std::errc{} || !keeps(number, text)) {
      return refuse_malformed(
          fmt::format("the number {} in the JSON is too large, too small or too exact to be kept; "
                      "{} digits always can",
                      utf8_prefix(text, 100), kSafeDigits),
          code);
    }
    part.clear();
    values.push_double(number);
    return count(code);
  }
  bool on_bool(bool flag, Code& code) {
    values.push_bool(flag);
    return count(code);
  }
  bool on_null(Code& code) {
    values.push_null();
    return count(code);
  }
  bool on_comment_part(View /*part*/, Code& /*code*/) { return true; }
  bool on_comment(View /*part*/, Code& /*code*/) { return true; }
};

}  // namespace

Result<boost::json::value> parse_json(std::string_view text) {
  boost::json::parse_options options;
  options.max_depth = kMaxDepth;
  boost::json::basic_parser<Builder> parser{options};
  boost::system::error_code error;
  const std::size_t read = parser.write_some(false, text.data(), text.size(), error);
  auto& builder = parser.handler();
  if (builder.fault) {
    return std::move(*builder.fault);
  }
  if (error) {
    return Error{ErrorCode::malformed,
                 fmt::format("the JSON is malformed at byte {}: {}", read, error.message())};
  }
  if (text.find_first_not_of(" \t\r\n", read) != std::string_view::npos) {
    return Error{ErrorCode::malformed, fmt::format("extra data follows the JSON at byte {}", read)};
  }
  return builder.values.release();
}

}  // namespace infernode
