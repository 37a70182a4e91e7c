#include "blobs/storage_dao.hpp"

namespace infernode::storage_dao {
namespace {

using db::Statement;

constexpr Statement kReserve{"storage.reserve", R"sql(
  SELECT * FROM "reserve_storage"($1, $2, $3, $4, $5, $6, $7)
)sql"};
constexpr Statement kGiveBack{"storage.give_back", R"sql(
  UPDATE "Blobs" SET "counted" = $2
   WHERE "id" = $1 AND "counted" > $2 AND "expires_at" > '-infinity'
)sql"};
constexpr Statement kRead{"storage.read", R"sql(
  SELECT coalesce((SELECT sum("bytes") FROM "StorageEntries" WHERE "user_id" = $1), 0)::bigint AS used,
         (SELECT "storage_quota" FROM "Users" WHERE "id" = $1) AS quota
)sql"};
// Whoever is reserved for at the moment is left for the next time.
constexpr Statement kFold{"storage.fold", R"sql(
  SELECT "fold_storage"("user_id")
    FROM (SELECT "user_id" FROM "StorageEntries" GROUP BY "user_id" HAVING count(*) > 16 LIMIT $1) AS many
   WHERE pg_try_advisory_xact_lock(1398034258, hashtext("user_id"::text))
)sql"};

Reserved reserved_from_row(const db::Row& row) {
  return {row.get<std::optional<std::int64_t>>("granted"), row.get<std::int64_t>("used"),
          row.get<std::int64_t>("quota"), row.get<std::optional<std::int64_t>>("arriving")};
}

}  // namespace

asio::awaitable<Reserved> reserve(db::Executor& executor, Wanted wanted, std::int64_t default_quota,
                                  int at_once, int life_seconds) {
  const db::Rows rows =
      co_await executor.execute(kReserve, wanted.blob, wanted.user, wanted.least, wanted.most,
                                default_quota, at_once, life_seconds);
  co_return reserved_from_row(rows.one());
}

asio::awaitable<void> give_back(db::Executor& executor, BlobId blob, std::int64_t keeps) {
  co_await executor.execute(kGiveBack, blob, keeps);
}

void read(db::Transaction& transaction, UserId user, Usage& usage) {
  transaction.queue(db::command(kRead, user), [&usage](const db::Rows& rows) {
    const auto row = rows.one();
    usage = {row.get<std::int64_t>("used"), row.get<std::optional<std::int64_t>>("quota")};
  });
}

asio::awaitable<std::int64_t> fold(db::Executor& executor, int limit) {
  const db::Rows rows = co_await executor.execute(kFold, limit);
  co_return rows.affected();
}

}  // namespace infernode::storage_dao
