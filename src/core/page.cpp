#include "core/page.hpp"

#include <charconv>

#include "core/id.hpp"

namespace infernode {

std::string time_before(const std::optional<Cursor>& cursor) {
  return cursor ? postgres_time(cursor->created_at) : "infinity";
}

std::string id_before(const std::optional<Cursor>& cursor) {
  return cursor ? uuid_text(cursor->id) : "ffffffff-ffff-ffff-ffff-ffffffffffff";
}

std::string cursor_text(const Cursor& cursor) {
  return std::to_string(cursor.created_at.time_since_epoch().count()) + "." + uuid_text(cursor.id);
}

Result<PageRequest> page_request(const boost::json::object& query) {
  PageRequest request;
  if (const auto* limit = query.if_contains("limit")) {
    request.limit = static_cast<int>(limit->as_int64());
  }
  if (const auto* cursor = query.if_contains("cursor")) {
    const std::string_view text = cursor->as_string();
    const auto dot = text.find('.');
    std::int64_t microseconds = 0;
    const char* end = text.data() + std::min(dot, text.size());
    const auto parsed = std::from_chars(text.data(), end, microseconds);
    const auto id = dot == std::string_view::npos ? std::nullopt : parse_uuid(text.substr(dot + 1));
    // Within the years that PostgreSQL and the calendar agree on.
    const bool sane = microseconds >= 0 && microseconds < 32'503'680'000'000'000;
    if (parsed.ec != std::errc{} || parsed.ptr != end || !id || !sane) {
      Error error{ErrorCode::invalid, "The cursor is not one that this server gave out."};
      error.fields.push_back(FieldError{"?cursor", "is not a cursor of this list"});
      return error;
    }
    request.after = Cursor{Timestamp{std::chrono::microseconds{microseconds}}, *id};
  }
  return request;
}

}  // namespace infernode
