#include "db/params.hpp"

#include <charconv>

namespace infernode::db {

Param to_param(double number) {
  char buffer[40];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, number);
  return {std::string{buffer, end.ptr}, false};
}

Param to_param(const std::vector<std::string>& texts) {
  std::string literal = "{";
  for (const auto& text : texts) {
    if (literal.size() > 1) {
      literal += ',';
    }
    literal += '"';
    for (const char c : text) {
      if (c == '"' || c == '\\') {
        literal += '\\';
      }
      literal += c;
    }
    literal += '"';
  }
  literal += '}';
  return {std::move(literal), false};
}

}  // namespace infernode::db
