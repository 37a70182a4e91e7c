#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "core/clock.hpp"
#include "core/id.hpp"
#include "core/tokens.hpp"
#include "core/words.hpp"

namespace infernode::db {

// One value for a statement, owned, ready for the wire. No value is NULL.
struct Param {
  std::optional<std::string> value;
  bool binary = false;
};

// The bytes of a bytea parameter; copied when the Param is made.
struct Bytes {
  std::span<const std::byte> data;
};

inline Param to_param(Bytes bytes) {
  return {std::string{reinterpret_cast<const char*>(bytes.data.data()), bytes.data.size()}, true};
}
inline Param to_param(std::string text) {
  return {std::move(text), false};
}
inline Param to_param(std::string_view text) {
  return {std::string{text}, false};
}
inline Param to_param(const char* text) {
  return {std::string{text}, false};
}
inline Param to_param(bool flag) {
  return {flag ? "t" : "f", false};
}
inline Param to_param(Tokens tokens) {
  return {tokens.to_string(), false};
}
inline Param to_param(Timestamp time) {
  return {postgres_time(time), false};
}
inline Param to_param(std::nullopt_t /*null*/) {
  return {};
}
template <class Tag>
Param to_param(const Id<Tag>& id) {
  return {id.to_string(), false};
}
template <class Number>
requires(std::is_integral_v<Number> && !std::is_same_v<Number, bool>) Param
    to_param(Number number) {
  return {std::to_string(number), false};
}
template <Worded E>
Param to_param(E value) {
  return {std::string{to_text(value)}, false};
}
// Shortest form that reads back to the same double.
Param to_param(double number);
// Array literals.
Param to_param(const std::vector<std::string>& texts);
template <class Item>
requires(!std::is_same_v<Item, std::string> && !std::is_same_v<Item, std::byte>) Param
    to_param(const std::vector<Item>& items);
template <class T>
Param to_param(const std::optional<T>& value) {
  return value ? to_param(*value) : Param{};
}
// Items of any type whose own text needs no quotes in an array: numbers, ids, amounts.
template <class Item>
requires(!std::is_same_v<Item, std::string> && !std::is_same_v<Item, std::byte>) Param
    to_param(const std::vector<Item>& items) {
  std::string literal = "{";
  for (const auto& item : items) {
    const Param param = to_param(item);
    literal += (literal.size() > 1 ? "," : "") + param.value.value_or("NULL");
  }
  return {literal + "}", false};
}

}  // namespace infernode::db
