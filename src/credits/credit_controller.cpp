#include "credits/credit_controller.hpp"

#include "core/json.hpp"

namespace infernode {
namespace {

namespace json = boost::json;

json::value entry_json(const LedgerEntry& entry) {
  json::object object{{"id", uuid_text(entry.id)},
                      {"kind", entry.kind},
                      {"amount", json_tokens(entry.amount)},
                      {"balance_after", json_tokens(entry.balance_after)}};
  if (entry.job) {
    object.emplace("job_id", entry.job->to_string());
  }
  if (entry.video) {
    object.emplace("video_id", entry.video->to_string());
  }
  if (entry.note) {
    object.emplace("note", *entry.note);
  }
  object.emplace("created_at", rfc3339(entry.created_at));
  return object;
}

}  // namespace

void add_credit_routes(http::Router& router, CreditService& credits) {
  router.add({"GET", "/api/v1/users/me/transactions", "listTransactions", http::Access::user,
              http::BodyKind::none,
              [&credits](http::Request& request) -> http::asio::awaitable<Result<http::Response>> {
                const auto page = page_request(request.query);
                if (!page) {
                  co_return page.error();
                }
                const auto entries = co_await credits.list(request.user(), *page);
                co_return http::json_response(
                    200, page_of(entries, page->limit, entry_json, [](const LedgerEntry& entry) {
                      return Cursor{entry.created_at, entry.id};
                    }));
              }});
}

}  // namespace infernode
