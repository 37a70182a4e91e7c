#include "credits/ledger_dao.hpp"

namespace infernode::ledger_dao {
namespace {

using db::Statement;

constexpr Statement kChangeIfCovered{"ledger.change_if_covered", R"sql(
  WITH changed AS (
    UPDATE "Users" SET "tokens" = "tokens" + $2, "updatedAt" = now()
     WHERE "id" = $1 AND "tokens" + $2 >= 0
    RETURNING "tokens"
  )
  INSERT INTO "LedgerEntries" ("user_id", "kind", "amount", "balance_after", "job_id", "video_id", "note")
  SELECT $1, $3::text::"enum_LedgerEntries_kind", $2, "tokens", $4, $5, $6 FROM changed
  RETURNING "balance_after"
)sql"};
constexpr Statement kBalance{"ledger.balance", R"sql(
  SELECT "tokens" FROM "Users" WHERE "id" = $1
)sql"};
constexpr Statement kList{"ledger.list", R"sql(
  SELECT "id", "kind", "amount", "balance_after", "job_id", "video_id", "note", "created_at"
    FROM "LedgerEntries"
   WHERE "user_id" = $1
     AND ($2::timestamptz IS NULL OR ("created_at", "id") < ($2, $3::uuid))
   ORDER BY "created_at" DESC, "id" DESC LIMIT $4
)sql"};

LedgerEntry entry_from_row(const db::Row& row) {
  return {.id = row.get<Id<void>>("id").value,
          .kind = row.get<std::string>("kind"),
          .amount = row.get<Tokens>("amount"),
          .balance_after = row.get<Tokens>("balance_after"),
          .job = row.get<std::optional<JobId>>("job_id"),
          .video = row.get<std::optional<VideoId>>("video_id"),
          .note = row.get<std::optional<std::string>>("note"),
          .created_at = row.get<Timestamp>("created_at")};
}

}  // namespace

asio::awaitable<std::optional<Tokens>> change_if_covered(db::Connection& connection,
                                                         LedgerChange change, Tokens amount) {
  const db::Rows rows = co_await connection.execute(
      kChangeIfCovered, change.user, amount, change.kind, change.job, change.video, change.note);
  if (rows.empty()) {
    co_return std::nullopt;
  }
  co_return rows.one().get<Tokens>("balance_after");
}

asio::awaitable<std::optional<Tokens>> balance(db::Connection& connection, UserId user) {
  const db::Rows rows = co_await connection.execute(kBalance, user);
  if (rows.empty()) {
    co_return std::nullopt;
  }
  co_return rows.one().get<Tokens>("tokens");
}

asio::awaitable<std::vector<LedgerEntry>> list(db::Connection& connection, UserId user,
                                               std::optional<Cursor> after, int limit) {
  std::optional<Timestamp> time;
  std::optional<Id<void>> id;
  if (after) {
    time = after->created_at;
    id = Id<void>{after->id};
  }
  const db::Rows rows = co_await connection.execute(kList, user, time, id, limit);
  std::vector<LedgerEntry> entries;
  for (int i = 0; i < rows.size(); ++i) {
    entries.push_back(entry_from_row(rows[i]));
  }
  co_return entries;
}

}  // namespace infernode::ledger_dao
