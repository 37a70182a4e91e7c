#pragma once

#include <string_view>

namespace infernode {

// Without the blanks and tabs around it.
inline std::string_view without_blanks(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  return first == std::string_view::npos
             ? std::string_view{}
             : text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

}  // namespace infernode
