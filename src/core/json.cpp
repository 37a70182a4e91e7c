#include "core/json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace infernode {
namespace {

// What a JSON string cannot hold as it is.
constexpr auto kSpecial = [] {
  std::array<bool, 256> special{};
  std::fill_n(special.begin(), 0x20, true);
  special['"'] = special['\\'] = true;
  return special;
}();

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

}  // namespace

// RFC 8259, section 7. Most strings have nothing to escape, and are copied at once.
void append_json_string(std::string& out, std::string_view text) {
  constexpr std::string_view kEscaped = "\"\\\b\f\n\r\t";
  constexpr std::string_view kLetters = "\"\\bfnrt";
  out += '"';
  for (std::size_t done = 0;;) {
    const auto special =
        std::find_if(text.begin() + static_cast<std::ptrdiff_t>(done), text.end(),
                     [](char c) { return kSpecial[static_cast<unsigned char>(c)]; });
    const auto at = static_cast<std::size_t>(special - text.begin());
    out.append(text, done, at - done);
    if (special == text.end()) {
      break;
    }
    if (const auto known = kEscaped.find(*special); known != std::string_view::npos) {
      out += {'\\', kLetters[known]};
    } else {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned char>(*special));
    }
    done = at + 1;
  }
  out += '"';
}

void append_json(std::string& out, const boost::json::value& value) {
  if (const auto* object = value.if_object()) {
    out += '{';
    const char* separator = "";
    for (const auto& [key, member] : *object) {
      out += separator;
      append_json_string(out, {key.data(), key.size()});
      out += ':';
      append_json(out, member);
      separator = ",";
    }
    out += '}';
  } else if (const auto* array = value.if_array()) {
    out += '[';
    const char* separator = "";
    for (const auto& element : *array) {
      out += separator;
      append_json(out, element);
      separator = ",";
    }
    out += ']';
  } else if (const auto* text = value.if_string()) {
    append_json_string(out, {text->data(), text->size()});
  } else if (const auto* number = value.if_double()) {
    append_double(out, *number);
  } else if (const auto* whole = value.if_int64()) {
    fmt::format_to(std::back_inserter(out), "{}", *whole);
  } else if (const auto* large = value.if_uint64()) {
    fmt::format_to(std::back_inserter(out), "{}", *large);
  } else {
    out += value.is_null() ? "null" : value.get_bool() ? "true" : "false";
  }
}

std::string json_text(const boost::json::value& value) {
  std::string out;
  append_json(out, value);
  return out;
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

// RFC 3629, section 4: how many bytes follow a first byte, and from what to what the second may be.
bool is_utf8(std::string_view text) {
  const auto at = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  for (std::size_t i = 0; i < text.size();) {
    const unsigned char first = at(i++);
    if (first != 0 && first < 0x80) {
      continue;
    }
    if (first < 0xc2 || first > 0xf4) {
      return false;
    }
    const std::size_t more = first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
    if (text.size() - i < more) {
      return false;
    }
    const unsigned char least = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    const unsigned char most = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (at(i) < least || at(i) > most) {
      return false;
    }
    for (const std::size_t end = i + more; ++i < end;) {
      if ((at(i) & 0xc0) != 0x80) {
        return false;
      }
    }
  }
  return true;
}

std::vector<std::string> utf8_characters(std::string_view text) {
  std::vector<std::string> characters;
  for (const char byte : text) {
    const bool goes_on = (static_cast<unsigned char>(byte) & 0xc0) == 0x80;
    if (!goes_on || characters.empty()) {
      characters.emplace_back();
    }
    characters.back() += byte;
  }
  return characters;
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
