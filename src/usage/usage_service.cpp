#include "usage/usage_service.hpp"

#include <charconv>
#include <chrono>

#include "core/clock.hpp"
#include "usage/usage_dao.hpp"

namespace infernode {
namespace {

constexpr int kMaxDays = 3660;
constexpr int kMaxBuckets = 100'000;
constexpr int kFoldedAtOnce = 100;

// "2026-11-30", of the pattern that the document asks for.
std::optional<std::chrono::sys_days> parse_day(const std::string& text) {
  int year = 0;
  unsigned month = 0;
  unsigned day = 0;
  std::from_chars(text.data(), text.data() + 4, year);
  std::from_chars(text.data() + 5, text.data() + 7, month);
  std::from_chars(text.data() + 8, text.data() + 10, day);
  const std::chrono::year_month_day date{std::chrono::year{year}, std::chrono::month{month},
                                         std::chrono::day{day}};
  // PostgreSQL knows no year 0.
  return date.ok() && year > 0 ? std::optional{std::chrono::sys_days{date}} : std::nullopt;
}

Result<void> check_days(const UsageQuery& query) {
  auto last = std::chrono::floor<std::chrono::days>(now());
  for (const auto& [name, text] : {std::pair{"to", query.to}, std::pair{"from", query.from}}) {
    const auto day = text ? parse_day(*text) : std::optional{last};
    if (!day) {
      return invalid(std::string{"?"} + name, "There is no such day.");
    }
    if (name == std::string_view{"to"}) {
      last = *day;
    } else if (*day > last) {
      return invalid(std::string{"?"} + name, "The first day is not after the last.");
    } else if (last - *day > std::chrono::days{kMaxDays}) {
      return invalid(std::string{"?"} + name, "Ten years at most.");
    }
  }
  return {};
}

}  // namespace

asio::awaitable<Result<std::vector<UsedInBucket>>> UsageService::list(UserId user,
                                                                      UsageQuery query) {
  const auto sound = check_days(query);
  if (!sound) {
    co_return sound.error();
  }
  co_return co_await usage_dao::list(database_, user, std::move(query), kMaxBuckets);
}

asio::awaitable<void> UsageService::fold() {
  std::int64_t folded = kFoldedAtOnce;
  while (folded == kFoldedAtOnce) {
    folded = co_await usage_dao::fold(database_, kFoldedAtOnce);
  }
}

}  // namespace infernode
