#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/tokens.hpp"
#include "core/words.hpp"

namespace infernode {

enum class UsageBucket { day, month, all };
template <>
struct Words<UsageBucket> {
  static constexpr std::pair<UsageBucket, std::string_view> all[]{
      {UsageBucket::day, "day"}, {UsageBucket::month, "month"}, {UsageBucket::all, "all"}};
};

// What is asked for: days of UTC, "2026-11-30", both included.
struct UsageQuery {
  std::optional<std::string> from{};  // 29 days before `to`
  std::optional<std::string> to{};    // today
  UsageBucket bucket = UsageBucket::day;
  bool by_pipeline = true;
};

// What was used in a bucket.
struct UsedInBucket {
  std::string from;                     // its first day
  std::optional<std::string> pipeline;  // "upload" for uploads; none: all together
  std::int64_t frames = 0;              // uploaded
  std::int64_t images = 0;              // worked on
  Tokens tokens;                        // spent
  double joules = 0;
  double grams = 0;  // of CO2e
};

}  // namespace infernode
