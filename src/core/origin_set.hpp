#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace infernode {

// Web origins (RFC 6454): where pages come from.
class OriginSet {
public:
  // "https://app.example.com, http://localhost:5173", or "*" for every one; nullopt when a part is
  // none. Nothing is the empty set.
  static std::optional<OriginSet> parse(std::string_view list);

  // `origin` as a browser sends it.
  bool contains(std::string_view origin) const;
  bool any() const { return any_; }
  bool empty() const { return !any_ && origins_.empty(); }

private:
  bool any_ = false;
  std::vector<std::string> origins_;
};

}  // namespace infernode
