#pragma once

#include <boost/json.hpp>
#include <boost/uuid/uuid.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.hpp"
#include "core/error.hpp"
#include "core/id.hpp"

namespace infernode {

// Where a page of a list ends: lists are ordered by creation time and id, newest first, so a page
// stays the same while rows are being added.
struct Cursor {
  Timestamp created_at;
  boost::uuids::uuid id;
};

// What part of a list is asked for.
struct PageRequest {
  int limit = 50;
  std::optional<Cursor> after;
};

// Reads `limit` and `cursor` of a checked query. A cursor that we did not make is `invalid`.
Result<PageRequest> page_request(const boost::json::object& query);

// The halves of a cursor as a statement takes them: rows are wanted whose (created_at, id) is less.
// At the beginning of a list they are larger than any, so that one plan, over the index, serves
// every page.
std::string time_before(const std::optional<Cursor>& cursor);
std::string id_before(const std::optional<Cursor>& cursor);

std::string cursor_text(const Cursor& cursor);

// {"items": [...], "next_cursor": next or null}.
boost::json::object page_json(boost::json::array items, const std::optional<std::string>& next);

// The page out of `rows`, of which the query asked for one more than the page holds, to know
// whether there are more. `to_json` gives an item's JSON, `to_cursor` its Cursor.
template <class Item, class ToJson, class ToCursor>
boost::json::object page_of(const std::vector<Item>& rows, int limit, ToJson to_json,
                            ToCursor to_cursor) {
  boost::json::array items;
  std::optional<std::string> next;
  for (const auto& row : rows) {
    if (static_cast<int>(items.size()) == limit) {
      next = cursor_text(to_cursor(rows[items.size() - 1]));
      break;
    }
    items.push_back(to_json(row));
  }
  return page_json(std::move(items), next);
}

}  // namespace infernode
