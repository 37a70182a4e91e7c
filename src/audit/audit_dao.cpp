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
   WHERE ("created_at", "id") < ($1::timestamptz, $2::uuid)
   ORDER BY "created_at" DESC, "id" DESC LIMIT $3
)sql"};

AuditEntry entry_from_row(const db::Row& row) {
  AuditEntry entry;
  entry.id = row.get<Id<void>>("id").value;
  entry.act.admin = row.get<std::optional<UserId>>("admin_id");
  entry.act.action = row.get<std::string>("action");
  entry.act.user = row.get<std::optional<UserId>>("user_id");
  entry.act.details = boost::json::parse(row.get<std::string>("details")).as_object();
  entry.created_at = row.get<Timestamp>("created_at");
  return entry;
}

}  // namespace

void insert(db::Transaction& transaction, const AuditedAct& act) {
  transaction.queue(kInsert, act.admin, act.action, act.user, json_text(act.details));
}

asio::awaitable<std::vector<AuditEntry>> list(db::Executor& executor, std::optional<Cursor> after,
                                              int limit) {
  const db::Rows rows =
      co_await executor.execute(kList, time_before(after), id_before(after), limit);
  co_return rows.all(entry_from_row);
}

}  // namespace infernode::audit_dao
