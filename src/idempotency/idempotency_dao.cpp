#include "idempotency/idempotency_dao.hpp"

namespace infernode::idempotency_dao {
namespace {

using db::Statement;

constexpr Statement kClaim{"idempotency.claim", R"sql(
  INSERT INTO "IdempotencyKeys" AS stored ("user_id", "key", "request") VALUES ($1, $2, $3)
  ON CONFLICT ("user_id", "key") DO UPDATE
     SET "request" = excluded."request", "status" = 0, "body" = '',
         "expires_at" = excluded."expires_at"
   WHERE stored."expires_at" <= now()
)sql"};
constexpr Statement kFind{"idempotency.find", R"sql(
  SELECT "request" = $3 AS same_request, "status", "body"
    FROM "IdempotencyKeys" WHERE "user_id" = $1 AND "key" = $2 AND "expires_at" > now()
)sql"};
constexpr Statement kStore{"idempotency.store", R"sql(
  UPDATE "IdempotencyKeys" SET "status" = $3, "body" = $4 WHERE "user_id" = $1 AND "key" = $2
)sql"};
constexpr Statement kDeleteExpired{"idempotency.delete_expired", R"sql(
  DELETE FROM "IdempotencyKeys" WHERE ("user_id", "key") IN (
    SELECT "user_id", "key" FROM "IdempotencyKeys" WHERE "expires_at" <= now()
     ORDER BY "expires_at" LIMIT $1 FOR UPDATE SKIP LOCKED)
)sql"};

db::Bytes bytes_of(const IdempotencyKey& key) {
  return db::Bytes{std::as_bytes(std::span{key.request})};
}

}  // namespace

asio::awaitable<bool> claim(db::Connection& transaction, UserId user, IdempotencyKey key) {
  const auto request = bytes_of(key);
  const db::Rows rows = co_await transaction.execute(kClaim, user, key.key, request);
  co_return rows.affected() == 1;
}

asio::awaitable<std::optional<Stored>> find(db::Connection& transaction, UserId user,
                                            IdempotencyKey key) {
  const auto request = bytes_of(key);
  const db::Rows rows = co_await transaction.execute(kFind, user, key.key, request);
  if (rows.empty()) {
    co_return std::nullopt;
  }
  const db::Row row = rows.one();
  Stored stored{row.get<bool>("same_request"),
                Answer{row.get<int>("status"), row.get<std::string>("body")}};
  co_return stored;
}

asio::awaitable<void> store(db::Connection& transaction, UserId user, IdempotencyKey key,
                            Answer answer) {
  co_await transaction.execute(kStore, user, key.key, answer.status, answer.body);
}

asio::awaitable<std::int64_t> delete_expired(db::Connection& connection, int limit) {
  const db::Rows rows = co_await connection.execute(kDeleteExpired, limit);
  co_return rows.affected();
}

}  // namespace infernode::idempotency_dao
