#include "audit/audit_dao.hpp"

#include "core/json.hpp"

namespace infernode::audit_dao {
namespace {

using db::Statement;

constexpr Statement kInsert{"audit.insert", R"sql(
  INSERT INTO "AuditEntries" ("admin_id", "action", "user_id", "details") VALUES ($1, $2, $3, $4)
)sql"};
constexpr Statement kList{"audit.list", R"sql(
  SELECT "id", "admin_id", "action", "user_id", "details", "created_at"
    FROM "AuditEntries"
   WHERE $1::timestamptz IS NULL OR ("created_at", "id") < ($1, $2::uuid)
   ORDER BY "created_at" DESC, "id" DESC LIMIT $3
)sql"};

}  // namespace

asio::awaitable<void> insert(db::Connection& transaction, AuditedAct act) {
  const std::string details = json_text(act.details);
  co_await transaction.execute(kInsert, act.admin, act.action, act.user, details);
}

asio::awaitable<std::vector<AuditEntry>> list(db::Connection& connection,
                                              std::optional<Cursor> after, int limit) {
  const db::Rows rows = co_await connection.execute(kList, time_of(after), id_of(after), limit);
  std::vector<AuditEntry> entries;
  for (int i = 0; i < rows.size(); ++i) {
    const db::Row row = rows[i];
    AuditEntry entry;
    entry.id = row.get<Id<void>>("id").value;
    entry.act.admin = row.get<std::optional<UserId>>("admin_id");
    entry.act.action = row.get<std::string>("action");
    entry.act.user = row.get<std::optional<UserId>>("user_id");
    entry.act.details = boost::json::parse(row.get<std::string>("details")).as_object();
    entry.created_at = row.get<Timestamp>("created_at");
    entries.push_back(std::move(entry));
  }
  co_return entries;
}

}  // namespace infernode::audit_dao
