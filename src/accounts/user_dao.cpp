#include "accounts/user_dao.hpp"

namespace infernode::user_dao {
namespace {

using db::sql;
using db::Statement;

constexpr db::Text kColumns{
    R"sql("id", "email", "password", "role", "tokens", "session_epoch", "disabled_at", "createdAt",
          "updatedAt", "weight", "max_running_segments", "max_open_jobs", "storage_quota",
          coalesce((SELECT sum("bytes") FROM "StorageEntries" WHERE "user_id" = "Users"."id"), 0)::bigint
            AS storage_used)sql"};

constexpr Statement kInsert{"users.insert", sql<R"sql(
  INSERT INTO "Users" ("email", "password") VALUES ($1, $2)
  ON CONFLICT DO NOTHING
  RETURNING )sql",
                                                kColumns, R"sql(
)sql">};
// No password has this hash.
constexpr Statement kInsertInvited{"users.insert_invited", sql<R"sql(
  INSERT INTO "Users" ("email", "password", "role", "tokens")
  VALUES ($1, '!', $2::text::"enum_Users_role", $3)
  ON CONFLICT DO NOTHING
  RETURNING )sql",
                                                               kColumns, R"sql(
)sql">};
constexpr Statement kFindByEmail{"users.find_by_email", sql<R"sql(
  SELECT )sql",
                                                            kColumns, R"sql(
    FROM "Users" WHERE lower("email") = $1
)sql">};
constexpr Statement kFind{"users.find", sql<R"sql(
  SELECT )sql",
                                            kColumns, R"sql(
    FROM "Users" WHERE "id" = $1
)sql">};
constexpr Statement kFindAll{"users.find_all", sql<R"sql(
  SELECT )sql",
                                                   kColumns, R"sql(
    FROM "Users" WHERE "id" = ANY($1::uuid[])
)sql">};
constexpr Statement kFindWithCredentials{"users.find_with_credentials", sql<R"sql(
  SELECT )sql",
                                                                            kColumns, R"sql(
    FROM "Users"
   WHERE "id" IN (SELECT "user_id" FROM "Credentials"
                   WHERE "hash" IN (SELECT decode(hash, 'hex') FROM unnest($1::text[]) AS hash))
)sql">};
constexpr Statement kSetPassword{"users.set_password", R"sql(
  UPDATE "Users"
     SET "password" = $2, "updatedAt" = now(), "session_epoch" = "session_epoch" + 1
   WHERE "id" = $1
)sql"};
constexpr Statement kList{"users.list", sql<R"sql(
  SELECT )sql",
                                            kColumns, R"sql(
    FROM "Users"
   WHERE ($1::text IS NULL OR position(lower($1) IN lower("email")) > 0)
     AND ("createdAt", "id") < ($2::timestamptz, $3::uuid)
   ORDER BY "createdAt" DESC, "id" DESC LIMIT $4
)sql">};
constexpr Statement kReplacePassword{"users.replace_password", R"sql(
  UPDATE "Users"
     SET "password" = $3, "updatedAt" = now(),
         "session_epoch" = "session_epoch" + CASE WHEN $4::boolean THEN 1 ELSE 0 END
   WHERE "id" = $1 AND "password" = $2
)sql"};
// Any number does, as long as nothing else takes the same: "ROLE" in ASCII.
constexpr Statement kLockRoles{"users.lock_roles", R"sql(
  SELECT pg_advisory_xact_lock(1380928581)
)sql"};
constexpr Statement kUpdate{"users.update", sql<R"sql(
  UPDATE "Users"
     SET "role" = coalesce($2::text::"enum_Users_role", "role"),
         "disabled_at" = CASE WHEN $3::boolean IS NULL THEN "disabled_at"
                              WHEN $3 THEN coalesce("disabled_at", now()) END,
         "session_epoch" = "session_epoch" + CASE WHEN $3 THEN 1 ELSE 0 END,
         "weight" = coalesce($4::float8, "weight"),
         "max_running_segments" = CASE WHEN $5::boolean THEN $6::integer ELSE "max_running_segments" END,
         "max_open_jobs" = CASE WHEN $7::boolean THEN $8::integer ELSE "max_open_jobs" END,
         "storage_quota" = CASE WHEN $9::boolean THEN $10::bigint ELSE "storage_quota" END,
         "updatedAt" = now()
   WHERE "id" = $1
  RETURNING )sql",
                                                kColumns, R"sql(
)sql">};
constexpr Statement kCountAdmins{"users.count_admins", R"sql(
  SELECT count(*) AS admins FROM "Users" WHERE "role" = 'admin' AND "disabled_at" IS NULL
)sql"};

User user_from_row(const db::Row& row) {
  return {.id = row.get<UserId>("id"),
          .email = row.get<std::string>("email"),
          .password_hash = row.get<std::string>("password"),
          .role = row.get<Role>("role"),
          .tokens = row.get<Tokens>("tokens"),
          .session_epoch = row.get<int>("session_epoch"),
          .disabled_at = row.get<std::optional<Timestamp>>("disabled_at"),
          .created_at = row.get<Timestamp>("createdAt"),
          .updated_at = row.get<Timestamp>("updatedAt"),
          .weight = row.get<double>("weight"),
          .max_running_segments = row.get<std::optional<int>>("max_running_segments"),
          .max_open_jobs = row.get<std::optional<int>>("max_open_jobs"),
          .storage_used = row.get<std::int64_t>("storage_used"),
          .storage_quota = row.get<std::optional<std::int64_t>>("storage_quota")};
}

}  // namespace

asio::awaitable<std::optional<User>> insert(db::Executor& executor, std::string email,
                                            std::string password_hash) {
  const db::Rows rows = co_await executor.execute(kInsert, email, password_hash);
  co_return rows.optional(user_from_row);
}

asio::awaitable<std::optional<User>> insert_invited(db::Executor& executor, std::string email,
                                                    Role role, Tokens tokens) {
  const db::Rows rows = co_await executor.execute(kInsertInvited, email, role, tokens);
  co_return rows.optional(user_from_row);
}

asio::awaitable<std::optional<User>> find_by_email(db::Executor& executor, std::string email) {
  const db::Rows rows = co_await executor.execute(kFindByEmail, email);
  co_return rows.optional(user_from_row);
}

asio::awaitable<std::optional<User>> find(db::Executor& executor, UserId id) {
  const db::Rows rows = co_await executor.execute(kFind, id);
  co_return rows.optional(user_from_row);
}

asio::awaitable<std::vector<User>> find_all(db::Executor& executor, std::vector<UserId> ids) {
  const db::Rows rows = co_await executor.execute(kFindAll, ids);
  co_return rows.all(user_from_row);
}

db::Command find_with_credentials(const std::vector<std::string>& hashes) {
  return db::command(kFindWithCredentials, hashes);
}

std::vector<User> users_from(const db::Rows& rows) {
  return rows.all(user_from_row);
}

void set_password(db::Transaction& transaction, UserId id, const std::string& hash) {
  transaction.queue(kSetPassword, id, hash);
}

asio::awaitable<std::vector<User>> list(db::Executor& executor, std::optional<std::string> part,
                                        std::optional<Cursor> after, int limit) {
  const db::Rows rows =
      co_await executor.execute(kList, part, time_before(after), id_before(after), limit);
  co_return rows.all(user_from_row);
}

asio::awaitable<bool> replace_password(db::Executor& executor, UserId id, std::string old_hash,
                                       std::string new_hash, bool end_sessions) {
  const db::Rows rows =
      co_await executor.execute(kReplacePassword, id, old_hash, new_hash, end_sessions);
  co_return rows.affected() == 1;
}

asio::awaitable<void> lock_roles(db::Transaction& transaction) {
  co_await transaction.execute(kLockRoles);
}

asio::awaitable<std::optional<User>> update(db::Transaction& transaction, UserId id,
                                            UserChange change) {
  const db::Rows rows = co_await transaction.execute(
      kUpdate, id, change.role, change.disabled, change.weight,
      change.max_running_segments.has_value(), change.max_running_segments.value_or(std::nullopt),
      change.max_open_jobs.has_value(), change.max_open_jobs.value_or(std::nullopt),
      change.storage_quota.has_value(), change.storage_quota.value_or(std::nullopt));
  co_return rows.optional(user_from_row);
}

asio::awaitable<std::int64_t> count_admins(db::Executor& executor) {
  const db::Rows rows = co_await executor.execute(kCountAdmins);
  co_return rows.one().get<std::int64_t>("admins");
}

}  // namespace infernode::user_dao
