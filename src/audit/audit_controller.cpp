#include "audit/audit_controller.hpp"

namespace infernode {
namespace {

namespace json = boost::json;
using http::asio::awaitable;

json::object entry_json(const AuditEntry& entry) {
  json::object object{{"id", uuid_text(entry.id)}, {"action", entry.act.action}};
  if (entry.act.admin) {
    object.emplace("admin_id", entry.act.admin->to_string());
  }
  if (entry.act.user) {
    object.emplace("user_id", entry.act.user->to_string());
  }
  object.emplace("details", entry.act.details);
  object.emplace("created_at", rfc3339(entry.created_at));
  return object;
}

}  // namespace

void add_audit_routes(http::Router& router, AuditService& audit) {
  router.on("listAudit", [&audit](http::Request& request) -> awaitable<Result<http::Response>> {
    const auto page = page_request(request.query);
    if (!page) {
      co_return page.error();
    }
    const auto entries = co_await audit.list(*page);
    co_return http::json_text_response(
        200, page_of(entries, page->limit, entry_json, [](const AuditEntry& entry) {
          return Cursor{entry.created_at, entry.id};
        }));
  });
}

}  // namespace infernode
