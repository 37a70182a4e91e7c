#include "credits/ledger_dao.hpp"

namespace infernode::ledger_dao {
namespace {

using db::Statement;

// The lock makes the check hold until the entry's trigger has moved the balance.
constexpr Statement kPostIfCovered{"ledger.post_if_covered", R"sql(
  INSERT INTO "LedgerEntries" ("user_id", "kind", "amount", "job_id", "video_id", "admin_id", "note")
  SELECT "id", $2::text::"enum_LedgerEntries_kind", $3::numeric, $4, $5, $6, $7
    FROM "Users" WHERE "id" = $1 AND "tokens" + $3 >= 0 FOR NO KEY UPDATE
  RETURNING "balance_after"
)sql"};
constexpr Statement kBalance{"ledger.balance", R"sql(
  SELECT "tokens" FROM "Users" WHERE "id" = $1
)sql"};
constexpr Statement kList{"ledger.list", R"sql(
  SELECT "id", "kind", "amount", "balance_after", "job_id", "video_id", "admin_id", "note",
         "created_at"
    FROM "LedgerEntries"
   WHERE "user_id" = $1
     AND ($2::uuid IS NULL OR "seq" < (SELECT "seq" FROM "LedgerEntries"
                                        WHERE "id" = $2 AND "user_id" = $1))
   ORDER BY "seq" DESC LIMIT $3
)sql"};
constexpr Statement kListChained{"ledger.list_chained", R"sql(
  SELECT entry."user_id", entry."seq", entry."hash", entry."id", entry."kind", entry."amount",
         entry."balance_after", entry."job_id", entry."video_id", entry."admin_id", entry."note",
         entry."created_at", account."tokens", account."ledger_length", account."ledger_hash"
    FROM (SELECT * FROM "LedgerEntries" WHERE ("user_id", "seq") > ($1, $2)
           ORDER BY "user_id", "seq" LIMIT $3) AS entry
    LEFT JOIN "Users" AS account ON account."id" = entry."user_id"
   ORDER BY entry."user_id", entry."seq"
)sql"};
constexpr Statement kCountAccounts{"ledger.count_accounts", R"sql(
  SELECT count(*) AS accounts FROM "Users"
)sql"};
constexpr Statement kListEmptyAccounts{"ledger.list_empty_accounts", R"sql(
  SELECT account."id", count(*) OVER () AS count FROM "Users" AS account
   WHERE NOT EXISTS (SELECT FROM "LedgerEntries" WHERE "user_id" = account."id") LIMIT $1
)sql"};

LedgerEntry entry_from_row(const db::Row& row) {
  return {.id = row.get<Id<void>>("id").value,
          .kind = row.get<std::string>("kind"),
          .amount = row.get<Tokens>("amount"),
          .balance_after = row.get<Tokens>("balance_after"),
          .job = row.get<std::optional<JobId>>("job_id"),
          .video = row.get<std::optional<VideoId>>("video_id"),
          .admin = row.get<std::optional<UserId>>("admin_id"),
          .note = row.get<std::optional<std::string>>("note"),
          .created_at = row.get<Timestamp>("created_at")};
}

}  // namespace

asio::awaitable<std::optional<Tokens>> post_if_covered(db::Connection& connection,
                                                       LedgerChange change) {
  const db::Rows rows =
      co_await connection.execute(kPostIfCovered, change.user, change.kind, change.amount,
                                  change.job, change.video, change.admin, change.note);
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
  const db::Rows rows = co_await connection.execute(kList, user, id_of(after), limit);
  std::vector<LedgerEntry> entries;
  for (int i = 0; i < rows.size(); ++i) {
    entries.push_back(entry_from_row(rows[i]));
  }
  co_return entries;
}

asio::awaitable<std::vector<ChainedEntry>> list_chained(db::Connection& connection, UserId user,
                                                        std::int64_t seq, int limit) {
  const db::Rows rows = co_await connection.execute(kListChained, user, seq, limit);
  std::vector<ChainedEntry> entries;
  entries.reserve(static_cast<std::size_t>(rows.size()));
  for (int i = 0; i < rows.size(); ++i) {
    const db::Row row = rows[i];
    ChainedEntry chained;
    chained.user = row.get<UserId>("user_id");
    chained.seq = row.get<std::int64_t>("seq");
    chained.hash = row.get<std::vector<std::byte>>("hash");
    chained.entry = entry_from_row(row);
    chained.head_length = row.get<std::optional<std::int64_t>>("ledger_length");
    if (chained.head_length) {
      chained.head_balance = row.get<Tokens>("tokens");
      chained.head_hash = row.get<std::vector<std::byte>>("ledger_hash");
    }
    entries.push_back(std::move(chained));
  }
  co_return entries;
}

asio::awaitable<std::int64_t> count_accounts(db::Connection& connection) {
  const db::Rows rows = co_await connection.execute(kCountAccounts);
  co_return rows.one().get<std::int64_t>("accounts");
}

asio::awaitable<EmptyAccounts> list_empty_accounts(db::Connection& connection, int limit) {
  const db::Rows rows = co_await connection.execute(kListEmptyAccounts, limit);
  EmptyAccounts accounts;
  for (int i = 0; i < rows.size(); ++i) {
    accounts.users.push_back(rows[i].get<UserId>("id"));
    accounts.count = rows[i].get<std::int64_t>("count");
  }
  co_return accounts;
}

}  // namespace infernode::ledger_dao
