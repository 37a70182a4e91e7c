#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace infernode {

// A moment in UTC, to the microsecond (PostgreSQL's resolution).
using Timestamp = std::chrono::sys_time<std::chrono::microseconds>;

// This moment.
inline Timestamp now() {
  return std::chrono::time_point_cast<Timestamp::duration>(std::chrono::system_clock::now());
}
// RFC 3339 with milliseconds: "2026-01-31T12:00:00.000Z".
std::string rfc3339(Timestamp time);
// IMF-fixdate (RFC 9110, 5.6.7): "Sat, 31 Jan 2026 12:00:00 GMT".
std::string http_date(Timestamp time);
// Reads RFC 3339 in any zone, with a capital T and Z; nullopt for anything else.
std::optional<Timestamp> parse_rfc3339(std::string_view text);
// Reads PostgreSQL's ISO form in UTC: "2026-01-31 12:00:00.123456+00"; throws std::runtime_error.
Timestamp parse_postgres_time(std::string_view text);
// The inverse, for sending a moment back to PostgreSQL without loss.
std::string postgres_time(Timestamp time);

// Seconds since `start` on the monotonic clock.
inline double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace infernode
