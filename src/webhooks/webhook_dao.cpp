#include "webhooks/webhook_dao.hpp"

namespace infernode::webhook_dao {
namespace {

using db::sql;
using db::Statement;

constexpr int kMostFormer = 4;

constexpr Statement kAddSecret{"webhooks.add_secret", R"sql(
  INSERT INTO "WebhookSecrets" ("user_id", "secret")
  SELECT "id", $2 FROM "Users" WHERE "id" = $1
  ON CONFLICT ("user_id") WHERE "valid_until" IS NULL DO NOTHING
)sql"};
constexpr db::Text kFormerUntil{
    R"sql((SELECT max("valid_until") FROM "WebhookSecrets"
             WHERE "user_id" = $1 AND "valid_until" > "clock"()) AS former_until)sql"};
constexpr Statement kShowSecret{"webhooks.show_secret", sql<R"sql(
  WITH before AS (
    SELECT "shown" FROM "WebhookSecrets" WHERE "user_id" = $1 AND "valid_until" IS NULL FOR UPDATE)
  UPDATE "WebhookSecrets" SET "shown" = before."shown" OR $2 FROM before
   WHERE "user_id" = $1 AND "valid_until" IS NULL
  RETURNING CASE WHEN $2 AND NOT before."shown" THEN "secret" END AS secret, "created_at",
            )sql",
                                                            kFormerUntil>};
// The first number is "HOOK" in ASCII.
constexpr Statement kLockSecrets{"webhooks.lock_secrets", R"sql(
  SELECT pg_advisory_xact_lock(1213157195, hashtext($1::uuid::text))
)sql"};
constexpr Statement kRetireSecret{"webhooks.retire_secret", R"sql(
  UPDATE "WebhookSecrets" SET "valid_until" = "clock"() + make_interval(secs => $2)
   WHERE "user_id" = $1 AND "valid_until" IS NULL
)sql"};
// A signature has room for some only.
constexpr Statement kRemoveSecrets{"webhooks.remove_secrets", R"sql(
  DELETE FROM "WebhookSecrets"
   WHERE "user_id" = $1
     AND ("valid_until" <= "clock"()
          OR "secret" IN (SELECT "secret" FROM "WebhookSecrets" WHERE "user_id" = $1
                           ORDER BY "valid_until" DESC NULLS FIRST, "created_at" DESC OFFSET $2))
)sql"};
// Where none was retired, one may have been added meanwhile.
constexpr Statement kInsertSecret{"webhooks.insert_secret", sql<R"sql(
  INSERT INTO "WebhookSecrets" ("user_id", "secret", "shown") VALUES ($1, $2, true)
  ON CONFLICT ("user_id") WHERE "valid_until" IS NULL
  DO UPDATE SET "secret" = excluded."secret", "shown" = true, "created_at" = "clock"()
  RETURNING "secret", "created_at", )sql",
                                                                kFormerUntil>};
constexpr Statement kFindSecrets{"webhooks.find_secrets", R"sql(
  SELECT "secret" FROM "WebhookSecrets"
   WHERE "user_id" = $1 AND ("valid_until" IS NULL OR "valid_until" > "clock"())
   ORDER BY "valid_until" DESC NULLS FIRST, "created_at" DESC
)sql"};
// Users are found one after the other by the index, so that one's thousands delay nobody.
constexpr Statement kClaim{"webhooks.claim", R"sql(
  WITH RECURSIVE waiting ("user_id") AS (
    (SELECT "user_id" FROM "WebhookDeliveries" WHERE "status" = 'PENDING'
      ORDER BY "user_id" LIMIT 1)
    UNION ALL
    SELECT (SELECT "user_id" FROM "WebhookDeliveries"
             WHERE "status" = 'PENDING' AND "user_id" > waiting."user_id"
             ORDER BY "user_id" LIMIT 1)
      FROM waiting WHERE waiting."user_id" IS NOT NULL
  ), due AS (
    SELECT due."id" FROM waiting
      LEFT JOIN unnest($3::uuid[], $4::integer[]) AS busy (user_id, count)
        ON busy.user_id = waiting."user_id"
     CROSS JOIN LATERAL (
       SELECT "id", "next_attempt_at" FROM "WebhookDeliveries"
        WHERE "user_id" = waiting."user_id" AND "status" = 'PENDING'
          AND "next_attempt_at" <= "clock"()
        ORDER BY "next_attempt_at" LIMIT greatest(0, $2 - coalesce(busy.count, 0))
          FOR UPDATE SKIP LOCKED) AS due
     ORDER BY due."next_attempt_at" LIMIT $1
  )
  UPDATE "WebhookDeliveries" AS delivery
     SET "attempts" = "attempts" + 1, "fence" = "fence" + 1,
         "next_attempt_at" = "clock"() + make_interval(secs => $5)
    FROM due WHERE delivery."id" = due."id"
  RETURNING delivery."id", "user_id", "job_id", "url", "attempts", "fence"
)sql"};
constexpr Statement kFinish{"webhooks.finish", R"sql(
  UPDATE "WebhookDeliveries"
     SET "status" = (CASE WHEN $4::text IS NULL THEN 'DELIVERED'
                          WHEN "clock"() + make_interval(secs => $5)
                               >= "tried_since" + make_interval(secs => $6) THEN 'FAILED'
                          ELSE 'PENDING' END)::"enum_WebhookDeliveries_status",
         "delivered_at" = CASE WHEN $4::text IS NULL THEN "clock"() END,
         "next_attempt_at" = "clock"() + make_interval(secs => $5),
         "answer" = $3, "error" = left($4::text, 255)
   WHERE "id" = $1 AND "fence" = $2 AND "status" = 'PENDING'
)sql"};
constexpr db::Text kDeliveryColumns{
    R"sql("id", "job_id", "url", "status", "attempts", "answer", "error", "created_at", "next_attempt_at",
         "delivered_at")sql"};
constexpr Statement kList{"webhooks.list", sql<R"sql(
  SELECT )sql",
                                               kDeliveryColumns, R"sql(
    FROM "WebhookDeliveries"
   WHERE "user_id" = $1 AND ($2::uuid IS NULL OR "job_id" = $2)
     AND ($3::text IS NULL OR "status" = $3::"enum_WebhookDeliveries_status")
     AND ("created_at", "id") < ($4::timestamptz, $5::uuid)
   ORDER BY "created_at" DESC, "id" DESC LIMIT $6
)sql">};
constexpr Statement kResend{"webhooks.resend", sql<R"sql(
  UPDATE "WebhookDeliveries"
     SET "status" = 'PENDING', "delivered_at" = NULL, "attempts" = 0, "fence" = "fence" + 1,
         "tried_since" = "clock"(), "next_attempt_at" = "clock"(), "answer" = NULL, "error" = NULL
   WHERE "id" = $2 AND "user_id" = $1
  RETURNING )sql",
                                                   kDeliveryColumns>};

SecretState state_from_row(const db::Row& row) {
  return {row.get<std::optional<std::string>>("secret"), row.get<Timestamp>("created_at"),
          row.get<std::optional<Timestamp>>("former_until")};
}

ClaimedDelivery claimed_from_row(const db::Row& row) {
  return {.id = row.get<DeliveryId>("id"),
          .user = row.get<UserId>("user_id"),
          .job = row.get<JobId>("job_id"),
          .url = row.get<std::string>("url"),
          .attempts = row.get<int>("attempts"),
          .fence = row.get<int>("fence")};
}

Delivery delivery_from_row(const db::Row& row) {
  return {.id = row.get<DeliveryId>("id"),
          .job = row.get<JobId>("job_id"),
          .url = row.get<std::string>("url"),
          .status = row.get<DeliveryStatus>("status"),
          .attempts = row.get<int>("attempts"),
          .answer = row.get<std::optional<int>>("answer"),
          .error = row.get<std::optional<std::string>>("error"),
          .created_at = row.get<Timestamp>("created_at"),
          .next_attempt_at = row.get<Timestamp>("next_attempt_at"),
          .delivered_at = row.get<std::optional<Timestamp>>("delivered_at")};
}

}  // namespace

asio::awaitable<SecretState> show_secret(db::Executor& executor, UserId user, std::string fresh,
                                         bool may_see) {
  std::vector<db::Command> commands;
  commands.push_back(db::command(kAddSecret, user, fresh));
  commands.push_back(db::command(kShowSecret, user, may_see));
  const auto results = co_await executor.execute_all(std::move(commands));
  co_return state_from_row(results.at(1).one());
}

asio::awaitable<SecretState> replace_secret(db::Transaction& transaction, UserId user,
                                            std::string fresh, int former_seconds) {
  transaction.queue(kLockSecrets, user);
  transaction.queue(kRetireSecret, user, former_seconds);
  transaction.queue(kRemoveSecrets, user, kMostFormer);
  const db::Rows rows = co_await transaction.execute(kInsertSecret, user, fresh);
  co_return state_from_row(rows.one());
}

asio::awaitable<std::vector<std::string>> find_secrets(db::Executor& executor, UserId user,
                                                       std::string fresh) {
  std::vector<db::Command> commands;
  commands.push_back(db::command(kAddSecret, user, fresh));
  commands.push_back(db::command(kFindSecrets, user));
  const auto results = co_await executor.execute_all(std::move(commands));
  co_return results.at(1).all([](const db::Row& row) { return row.get<std::string>("secret"); });
}

asio::awaitable<std::vector<ClaimedDelivery>> claim(db::Executor& executor, int limit, int of_user,
                                                    UnderWay under_way, int lease_seconds) {
  const db::Rows rows = co_await executor.execute(kClaim, limit, of_user, under_way.users,
                                                  under_way.counts, lease_seconds);
  co_return rows.all(claimed_from_row);
}

asio::awaitable<bool> finish(db::Executor& executor, ClaimedDelivery delivery, Sent sent,
                             int delay_seconds, int most_seconds) {
  const db::Rows rows = co_await executor.execute(kFinish, delivery.id, delivery.fence, sent.answer,
                                                  sent.error, delay_seconds, most_seconds);
  co_return rows.affected() == 1;
}

asio::awaitable<std::vector<Delivery>> list(db::Executor& executor, UserId user,
                                            std::optional<JobId> job,
                                            std::optional<DeliveryStatus> status,
                                            PageRequest page) {
  const db::Rows rows = co_await executor.execute(kList, user, job, status, time_before(page.after),
                                                  id_before(page.after), page.limit + 1);
  co_return rows.all(delivery_from_row);
}

asio::awaitable<std::optional<Delivery>> resend(db::Executor& executor, UserId user,
                                                DeliveryId id) {
  const db::Rows rows = co_await executor.execute(kResend, user, id);
  co_return rows.optional(delivery_from_row);
}

}  // namespace infernode::webhook_dao
