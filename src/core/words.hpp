#pragma once

#include <optional>
#include <string_view>

namespace infernode {

// The texts that an enumeration's values are written as, in the database and the API. Specialise it
// beside the enumeration, with `static constexpr std::pair<E, std::string_view> all[]`.
template <class E>
struct Words;

template <class E>
concept Worded = requires {
  Words<E>::all;
};

template <Worded E>
constexpr std::string_view to_text(E value) {
  for (const auto& [each, text] : Words<E>::all) {
    if (each == value) {
      return text;
    }
  }
  return {};
}

template <Worded E>
constexpr std::optional<E> from_text(std::string_view text) {
  for (const auto& [each, word] : Words<E>::all) {
    if (word == text) {
      return each;
    }
  }
  return std::nullopt;
}

}  // namespace infernode
