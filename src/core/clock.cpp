#include "core/clock.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <stdexcept>

namespace infernode {
namespace {

struct Parts {
  int year;
  unsigned month;
  unsigned day;
  std::int64_t hour;
  std::int64_t minute;
  std::int64_t second;
  std::int64_t microsecond;
};

Parts split(Timestamp time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{day};
  const std::int64_t us = (time - day).count();
  return {static_cast<int>(date.year()),
          static_cast<unsigned>(date.month()),
          static_cast<unsigned>(date.day()),
          us / 3'600'000'000,
          us / 60'000'000 % 60,
          us / 1'000'000 % 60,
          us % 1'000'000};
}

}  // namespace

std::string rfc3339(Timestamp time) {
  const Parts p = split(time);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", p.year, p.month, p.day, p.hour,
                     p.minute, p.second, p.microsecond / 1000);
}

std::string postgres_time(Timestamp time) {
  const Parts p = split(time);
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:06}+00", p.year, p.month, p.day, p.hour,
                     p.minute, p.second, p.microsecond);
}

Timestamp parse_postgres_time(std::string_view text) {
  int year = 0;
  unsigned month = 0;
  unsigned day = 0;
  int hour = 0;
  int minute = 0;
  int second = 0;
  int used = 0;
  const std::string copy{text};
  // NOLINTNEXTLINE(cert-err34-c): the field widths bound every number.
  if (std::sscanf(copy.c_str(), "%4d-%2u-%2u %2d:%2d:%2d%n", &year, &month, &day, &hour, &minute,
                  &second, &used) != 6) {
    throw std::runtime_error("not a time in UTC: " + copy);
  }
  std::string_view rest = std::string_view{copy}.substr(static_cast<std::size_t>(used));
  std::int64_t microsecond = 0;
  if (rest.starts_with('.')) {
    std::int64_t scale = 100'000;
    for (rest.remove_prefix(1); !rest.empty() && rest[0] >= '0' && rest[0] <= '9'; scale /= 10) {
      microsecond += (rest[0] - '0') * scale;
      rest.remove_prefix(1);
    }
  }
  if (rest != "+00") {
    throw std::runtime_error("not a time in UTC: " + copy);
  }
  const std::chrono::sys_days date{std::chrono::year{year} / std::chrono::month{month} /
                                   std::chrono::day{day}};
  return Timestamp{date} + std::chrono::hours{hour} + std::chrono::minutes{minute} +
         std::chrono::seconds{second} + std::chrono::microseconds{microsecond};
}

}  // namespace infernode
