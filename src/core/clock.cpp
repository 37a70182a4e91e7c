#include "core/clock.hpp"

#include <algorithm>
#include <array>
#include <charconv>
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

// Writes a number with leading zeros over `digits` characters from `at` on.
void put(std::string& text, std::size_t at, std::size_t digits, std::int64_t number) {
  for (std::size_t i = at + digits; i-- > at; number /= 10) {
    text[i] = static_cast<char>('0' + number % 10);
  }
}

// Over YYYY-MM-DD hh:mm:ss.
void put_second(std::string& text, const Parts& p) {
  put(text, 0, 4, p.year);
  put(text, 5, 2, p.month);
  put(text, 8, 2, p.day);
  put(text, 11, 2, p.hour);
  put(text, 14, 2, p.minute);
  put(text, 17, 2, p.second);
}

}  // namespace

std::string rfc3339(Timestamp time) {
  const Parts p = split(time);
  std::string text = "YYYY-MM-DDThh:mm:ss.mmmZ";
  put_second(text, p);
  put(text, 20, 3, p.microsecond / 1000);
  return text;
}

std::string http_date(Timestamp time) {
  const std::time_t second =
      std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  std::tm utc{};
  gmtime_r(&second, &utc);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &utc)};
}

std::string postgres_time(Timestamp time) {
  const Parts p = split(time);
  std::string text = "YYYY-MM-DD hh:mm:ss.mmmmmm+00";
  put_second(text, p);
  put(text, 20, 6, p.microsecond);
  return text;
}

namespace {

struct ReadTime {
  Timestamp time;
  std::string_view rest;  // behind the seconds
};

// YYYY-MM-DD hh:mm:ss and maybe a fraction, of which what is less than a microsecond is dropped.
std::optional<ReadTime> read_time(std::string_view text, char separator) {
  constexpr std::size_t kSeconds = 19;
  const auto number = [text](std::size_t at, std::size_t digits) {
    int value = 0;
    const char* begin = text.data() + at;
    const auto [end, error] = std::from_chars(begin, begin + digits, value);
    return error == std::errc{} && end == begin + digits ? value : -1;
  };
  if (text.size() <= kSeconds || text[4] != '-' || text[7] != '-' || text[10] != separator ||
      text[13] != ':' || text[16] != ':') {
    return std::nullopt;
  }
  const std::array<int, 6> parts{number(0, 4),  number(5, 2),  number(8, 2),
                                 number(11, 2), number(14, 2), number(17, 2)};
  const auto [year, month, day, hour, minute, second] = parts;
  const std::chrono::year_month_day date{std::chrono::year{year} / month / day};
  const bool negative = std::any_of(parts.begin(), parts.end(), [](int part) { return part < 0; });
  if (negative || !date.ok() || hour > 23 || minute > 59 || second > 59) {
    return std::nullopt;
  }
  std::string_view rest = text.substr(kSeconds);
  std::int64_t microsecond = 0;
  if (rest.starts_with('.')) {
    std::int64_t scale = 100'000;
    for (rest.remove_prefix(1); !rest.empty() && rest[0] >= '0' && rest[0] <= '9'; scale /= 10) {
      microsecond += (rest[0] - '0') * scale;
      rest.remove_prefix(1);
    }
  }
  return ReadTime{Timestamp{std::chrono::sys_days{date}} + std::chrono::hours{hour} +
                      std::chrono::minutes{minute} + std::chrono::seconds{second} +
                      std::chrono::microseconds{microsecond},
                  rest};
}

}  // namespace

Timestamp parse_postgres_time(std::string_view text) {
  const auto read = read_time(text, ' ');
  if (!read || read->rest != "+00") {
    throw std::runtime_error("not a time in UTC: " + std::string{text});
  }
  return read->time;
}

std::optional<Timestamp> parse_rfc3339(std::string_view text) {
  const auto read = read_time(text, 'T');
  if (!read) {
    return std::nullopt;
  }
  const auto zone = read->rest;
  if (zone == "Z") {
    return read->time;
  }
  // +hh:mm
  const auto digit = [zone](std::size_t at) { return zone[at] >= '0' && zone[at] <= '9'; };
  if (zone.size() != 6 || (zone[0] != '+' && zone[0] != '-') || zone[3] != ':' || !digit(1) ||
      !digit(2) || !digit(4) || !digit(5)) {
    return std::nullopt;
  }
  const auto two = [zone](std::size_t at) { return (zone[at] - '0') * 10 + (zone[at + 1] - '0'); };
  const auto offset = std::chrono::hours{two(1)} + std::chrono::minutes{two(4)};
  return zone[0] == '+' ? read->time - offset : read->time + offset;
}

}  // namespace infernode
