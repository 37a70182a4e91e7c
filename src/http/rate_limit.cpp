#include "http/rate_limit.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace infernode::http {
namespace {

constexpr std::chrono::seconds kWindow{60};
constexpr std::size_t kMaxKeys = 100'000;
constexpr std::chrono::seconds kSweepInterval{1};

std::int64_t seconds_up(RateLimit::Clock::duration time) {
  return std::chrono::ceil<std::chrono::seconds>(time).count();
}

}  // namespace

RateLimit::Count RateLimit::take(const std::string& key, Clock::time_point now) {
  if (whole_at_.size() >= kMaxKeys && !whole_at_.contains(key)) {
    make_room(now);
  }
  const Clock::duration each = Clock::duration{kWindow} / quota_;
  auto& whole_at = whole_at_[key];
  const auto taken = std::max(whole_at, now) + each;
  Count count;
  count.admitted = taken - now <= kWindow;
  if (count.admitted) {
    whole_at = taken;
  } else {
    count.wait_seconds = seconds_up(taken - now - kWindow);
  }
  count.remaining = std::max<std::int64_t>(0, (kWindow - (whole_at - now)) / each);
  count.reset_seconds = seconds_up(whole_at - now);
  return count;
}

// Keys whose quota is whole are as good as those never seen. Should too many others be left, some
// are let off: who has so many addresses is not held by a limit on one.
void RateLimit::make_room(Clock::time_point now) {
  if (now - swept_at_ >= kSweepInterval) {
    swept_at_ = now;
    std::erase_if(whole_at_, [now](const auto& entry) { return entry.second <= now; });
  }
  if (whole_at_.size() >= kMaxKeys) {
    whole_at_.erase(whole_at_.begin());
  }
}

RateLimit::RateLimit(std::string name, std::int64_t quota)
    : name_{std::move(name)},
      quota_{quota},
      policy_item_{fmt::format("\"{}\";q={};w={}", name_, quota_, kWindow.count())} {}

std::string RateLimit::count_item(const Count& count) const {
  const fmt::format_int remaining{count.remaining};
  const fmt::format_int reset{count.reset_seconds};
  std::string item = "\"" + name_ + "\";r=";
  item.append(remaining.data(), remaining.size()).append(";t=").append(reset.data(), reset.size());
  return item;
}

}  // namespace infernode::http
