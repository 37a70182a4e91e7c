#include "core/origin_set.hpp"

#include <algorithm>

#include "core/blanks.hpp"

namespace infernode {
namespace {

// Scheme, host and port as browsers write them: in lower case, without a path.
bool is_origin(std::string_view text) {
  std::string_view rest = text;
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (text.starts_with(scheme)) {
      rest.remove_prefix(scheme.size());
      return !rest.empty() && rest.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-.:[]") ==
                                  std::string_view::npos;
    }
  }
  return false;
}

}  // namespace

std::optional<OriginSet> OriginSet::parse(std::string_view list) {
  OriginSet set;
  while (!list.empty()) {
    const auto comma = std::min(list.find(','), list.size());
    const auto part = without_blanks(list.substr(0, comma));
    list.remove_prefix(std::min(comma + 1, list.size()));
    if (part == "*") {
      set.any_ = true;
    } else if (is_origin(part)) {
      set.origins_.emplace_back(part);
    } else {
      return std::nullopt;
    }
  }
  return set;
}

bool OriginSet::contains(std::string_view origin) const {
  return !origin.empty() &&
         (any_ || std::find(origins_.begin(), origins_.end(), origin) != origins_.end());
}

}  // namespace infernode
