#include "idempotency/idempotency_dao.hpp"

namespace infernode::idempotency_dao {
namespace {

using db::Statement;

constexpr Statement kClaim{"idempotency.claim", R"sql(
  INSERT INTO "IdempotencyKeys" AS stored ("user_id", "key", "request") VALUES ($1, $2, $3)
  ON CONFLICT ("user_id", "key") DO UPDATE
     SET "request" = excluded."request", "status" = 0, "body" = '',
         "expires_at" = excluded."expires_at"
   WHERE stored."expires_at" <= "clock"()
)sql"};
constexpr Statement kFind{"idempotency.find", R"sql(
  SELECT "request" = $3 AS same_request, "status", "body"
    FROM "IdempotencyKeys" WHERE "user_id" = $1 AND "key" = $2 AND "expires_at" > "clock"()
)sql"};
constexpr Statement kStore{"idempotency.store", R"sql(
  UPDATE "IdempotencyKeys" SET "status" = $3, "body" = $4 WHERE "user_id" = $1 AND "key" = $2
)sql"};
constexpr Statement kDeleteExpired{"idempotency.delete_expired", R"sql(
  DELETE FROM "IdempotencyKeys" WHERE ("user_id", "key") IN (
    SELECT "user_id", "key" FROM "IdempotencyKeys" WHERE "expires_at" <= "clock"()
     ORDER BY "expires_at" LIMIT $1 FOR UPDATE SKIP LOCKED)
)sql"};

db::Bytes bytes_of(const IdempotencyKey& key) {
  return db::Bytes{std::as_bytes(std::span{key.request})};
}

}  // namespace

db::Command claim(UserId user, const IdempotencyKey& key) {
  return db::command(kClaim, user, key.key, bytes_of(key));
}

asio::awaitable<std::optional<Stored>> find(db::Executor& executor, UserId user,
                                            IdempotencyKey key) {
  const auto request = bytes_of(key);
  const db::Rows rows = co_await executor.execute(kFind, user, key.key, request);
  co_return rows.optional([](const db::Row& row) {
    return Stored{row.get<bool>("same_request"),
                  Answer{row.get<int>("status"), row.get<std::string>("body")}};
  });
}

void store(db::Transaction& transaction, UserId user, const IdempotencyKey& key,
           const Answer& answer) {
  transaction.queue(kStore, user, key.key, answer.status, answer.body);
}

asio::awaitable<std::int64_t> delete_expired(db::Executor& executor, int limit) {
  const db::Rows rows = co_await executor.execute(kDeleteExpired, limit);
  co_return rows.affected();
}

}  // namespace infernode::idempotency_dao
