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
// Read once, before any entry's trigger changes the account.
constexpr Statement kPostHoldsIfCovered{"ledger.post_holds_if_covered", R"sql(
  WITH account AS MATERIALIZED (
    SELECT "id" FROM "Users" WHERE "id" = $1 AND "tokens" >= $2 FOR NO KEY UPDATE)
  INSERT INTO "LedgerEntries" ("user_id", "kind", "amount", "job_id", "video_id", "note")
  SELECT account."id", 'job', -entry.amount, entry.job_id, entry.video_id, entry.note
    FROM account, unnest($3::uuid[], $4::uuid[], $5::numeric[], $6::text[])
                    WITH ORDINALITY AS entry (job_id, video_id, amount, note, position)
   WHERE entry.amount > 0 ORDER BY entry.position
)sql"};
constexpr Statement kPostRefunds{"ledger.post_refunds", R"sql(
  INSERT INTO "LedgerEntries" ("user_id", "kind", "amount", "job_id", "video_id", "note")
  SELECT entry.user_id, 'refund', entry.amount, entry.job_id, entry.video_id, entry.note
    FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::numeric[], $5::text[])
           WITH ORDINALITY AS entry (user_id, job_id, video_id, amount, note, position)
   ORDER BY entry.user_id, entry.position
)sql"};
constexpr Statement kBalance{"ledger.balance", R"sql(
  SELECT "tokens" FROM "Users" WHERE "id" = $1
)sql"};
constexpr Statement kList{"ledger.list", R"sql(
  SELECT "id", "kind", "amount", "balance_after", "job_id", "video_id", "admin_id", "note",
         "created_at"
    FROM "LedgerEntries"
   WHERE "user_id" = $1
     AND "seq" < coalesce((SELECT "seq" FROM "LedgerEntries" WHERE "id" = $2 AND "user_id" = $1),
                          CASE WHEN $3::boolean THEN 9223372036854775807 END)
     AND ($5::text IS NULL OR "kind" = $5::"enum_LedgerEntries_kind")
   ORDER BY "seq" DESC LIMIT $4
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
          .kind = row.get<LedgerKind>("kind"),
          .amount = row.get<Tokens>("amount"),
          .balance_after = row.get<Tokens>("balance_after"),
          .job = row.get<std::optional<JobId>>("job_id"),
          .video = row.get<std::optional<VideoId>>("video_id"),
          .admin = row.get<std::optional<UserId>>("admin_id"),
          .note = row.get<std::optional<std::string>>("note"),
          .created_at = row.get<Timestamp>("created_at")};
}

ChainedEntry chained_from_row(const db::Row& row) {
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
  return chained;
}

}  // namespace

asio::awaitable<bool> post_holds_if_covered(db::Transaction& transaction, UserId user,
                                            std::vector<NewHold> holds) {
  std::vector<JobId> jobs;
  std::vector<VideoId> videos;
  std::vector<Tokens> amounts;
  std::vector<std::string> notes;
  Tokens total;
  std::int64_t entries = 0;
  for (auto& hold : holds) {
    jobs.push_back(hold.job);
    videos.push_back(hold.video);
    amounts.push_back(hold.amount);
    notes.push_back(std::move(hold.note));
    total = total + hold.amount;
    entries += hold.amount > Tokens{} ? 1 : 0;
  }
  const db::Rows rows =
      co_await transaction.execute(kPostHoldsIfCovered, user, total, jobs, videos, amounts, notes);
  co_return rows.affected() == entries;
}

void post_refunds(db::Transaction& transaction, const std::vector<Refund>& refunds) {
  std::vector<UserId> users;
  std::vector<JobId> jobs;
  std::vector<VideoId> videos;
  std::vector<Tokens> amounts;
  std::vector<std::string> notes;
  for (const auto& refund : refunds) {
    users.push_back(refund.user);
    jobs.push_back(refund.job);
    videos.push_back(refund.video);
    amounts.push_back(refund.amount);
    notes.push_back(refund.note);
  }
  transaction.queue(kPostRefunds, users, jobs, videos, amounts, notes);
}

asio::awaitable<std::optional<Tokens>> post_if_covered(db::Executor& executor,
                                                       LedgerChange change) {
  const db::Rows rows =
      co_await executor.execute(kPostIfCovered, change.user, change.kind, change.amount, change.job,
                                change.video, change.admin, change.note);
  if (rows.empty()) {
    co_return std::nullopt;
  }
  co_return rows.one().get<Tokens>("balance_after");
}

asio::awaitable<std::optional<Tokens>> balance(db::Executor& executor, UserId user) {
  const db::Rows rows = co_await executor.execute(kBalance, user);
  co_return rows.optional([](const db::Row& row) { return row.get<Tokens>("tokens"); });
}

void read_balance(db::Transaction& transaction, UserId user, Tokens& balance) {
  transaction.queue(db::command(kBalance, user), [&balance](const db::Rows& rows) {
    balance = rows.empty() ? Tokens{} : rows.one().get<Tokens>("tokens");
  });
}

asio::awaitable<std::vector<LedgerEntry>> list(db::Executor& executor, UserId user,
                                               std::optional<LedgerKind> kind,
                                               std::optional<Cursor> after, int limit) {
  const db::Rows rows =
      co_await executor.execute(kList, user, id_before(after), !after, limit, kind);
  co_return rows.all(entry_from_row);
}

asio::awaitable<std::vector<ChainedEntry>> list_chained(db::Executor& executor, UserId user,
                                                        std::int64_t seq, int limit) {
  const db::Rows rows = co_await executor.execute(kListChained, user, seq, limit);
  co_return rows.all(chained_from_row);
}

asio::awaitable<std::int64_t> count_accounts(db::Executor& executor) {
  const db::Rows rows = co_await executor.execute(kCountAccounts);
  co_return rows.one().get<std::int64_t>("accounts");
}

asio::awaitable<EmptyAccounts> list_empty_accounts(db::Executor& executor, int limit) {
  const db::Rows rows = co_await executor.execute(kListEmptyAccounts, limit);
  EmptyAccounts accounts;
  for (int i = 0; i < rows.size(); ++i) {
    accounts.users.push_back(rows[i].get<UserId>("id"));
    accounts.count = rows[i].get<std::int64_t>("count");
  }
  co_return accounts;
}

}  // namespace infernode::ledger_dao
