#pragma once

#include <algorithm>
#include <boost/json.hpp>
#include <boost/uuid/uuid.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "core/clock.hpp"
#include "core/error.hpp"
#include "core/id.hpp"
#include "core/json.hpp"

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

// The page out of `rows`, of which the query asked for one more than the page holds, to know
// whether there are more: {"items": [...], "next_cursor": text or null}, as JSON text. An item is
// written before the next one is made, so that a long page needs no tree of all of it. `to_json`
// gives an item's JSON, as a value or as text; `to_cursor` its Cursor.
template <class Item, class ToJson, class ToCursor>
std::string page_of(const std::vector<Item>& rows, int limit, ToJson to_json, ToCursor to_cursor) {
  const auto shown = std::min(rows.size(), static_cast<std::size_t>(limit));
  std::string page = R"({"items":[)";
  for (std::size_t i = 0; i < shown; ++i) {
    page += i == 0 ? "" : ",";
    if constexpr (std::is_same_v<std::invoke_result_t<ToJson, const Item&>, std::string>) {
      page += to_json(rows[i]);
    } else {
      append_json(page, to_json(rows[i]));
    }
  }
  page += R"(],"next_cursor":)";
  const bool more = shown < rows.size() && shown > 0;
  append_json(page, more ? boost::json::value(cursor_text(to_cursor(rows[shown - 1]))) : nullptr);
  return page + "}";
}

}  // namespace infernode
