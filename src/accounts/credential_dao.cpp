#include "accounts/credential_dao.hpp"

#include <map>

#include "accounts/user_dao.hpp"

namespace infernode::credential_dao {
namespace {

using db::sql;
using db::Statement;

constexpr db::Text kKeyColumns{
    R"sql("id", coalesce("name", '') AS name, "scopes", "expires_at", "last_used_at", "created_at")sql"};
constexpr Statement kLock{"credentials.lock", R"sql(
  SELECT FROM "Users" WHERE "id" = $1 FOR NO KEY UPDATE
)sql"};
constexpr Statement kInsert{"credentials.insert", sql<R"sql(
  INSERT INTO "Credentials" ("user_id", "kind", "hash", "name", "scopes", "epoch", "expires_at")
  SELECT owner."id", $2::text::"enum_Credentials_kind", decode($3, 'hex'), $4, $5::varchar[],
         owner."session_epoch", coalesce($6::timestamptz, "clock"() + make_interval(secs => $7))
    FROM "Users" AS owner
   WHERE owner."id" = $1 AND ($9::integer IS NULL OR owner."session_epoch" = $9)
     AND (owner."disabled_at" IS NULL OR $2::text = 'link')
     AND ($2::text <> 'key'
          OR (SELECT count(*) FROM "Credentials" WHERE "user_id" = $1 AND "kind" = 'key') < $8)
  RETURNING )sql",
                                                      kKeyColumns, R"sql(
)sql">};
constexpr db::Text kValid{
    R"sql((credential."expires_at" IS NULL OR credential."expires_at" > "clock"())
     AND (credential."kind" = 'key' OR credential."epoch" = owner."session_epoch")
     AND owner."disabled_at" IS NULL)sql"};
constexpr Statement kFindBearers{"credentials.find_bearers", sql<R"sql(
  SELECT credential."id", credential."user_id", credential."kind",
         encode(credential."hash", 'hex') AS hash, credential."scopes",
         credential."kind" = 'key' AND (credential."last_used_at" IS NULL
           OR credential."last_used_at" < "clock"() - interval '1 minute') AS use_is_stale
    FROM "Credentials" AS credential JOIN "Users" AS owner ON owner."id" = credential."user_id"
   WHERE credential."hash" IN (SELECT decode(hash, 'hex') FROM unnest($1::text[]) AS hash)
     AND )sql",
                                                                 kValid, R"sql(
)sql">};
constexpr Statement kListKeys{"credentials.list_keys", sql<R"sql(
  SELECT )sql",
                                                           kKeyColumns, R"sql(
    FROM "Credentials"
   WHERE "user_id" = $1 AND "kind" = 'key' AND ("created_at", "id") < ($2::timestamptz, $3::uuid)
   ORDER BY "created_at" DESC, "id" DESC LIMIT $4
)sql">};
constexpr Statement kRemoveKey{"credentials.remove_key", R"sql(
  DELETE FROM "Credentials" WHERE "id" = $2 AND "user_id" = $1 AND "kind" = 'key'
)sql"};
constexpr Statement kRemoveSession{"credentials.remove_session", R"sql(
  DELETE FROM "Credentials" WHERE "hash" = decode($1, 'hex') AND "kind" = 'session'
)sql"};
constexpr Statement kTakeLink{"credentials.take_link", sql<R"sql(
  DELETE FROM "Credentials" AS credential USING "Users" AS owner
   WHERE owner."id" = $1 AND credential."user_id" = $1 AND credential."hash" = decode($2, 'hex')
     AND credential."kind" = 'link' AND )sql",
                                                           kValid, R"sql(
)sql">};
constexpr Statement kRemoveLinks{"credentials.remove_links", R"sql(
  DELETE FROM "Credentials" WHERE "user_id" = $1 AND "kind" = 'link'
)sql"};
constexpr Statement kMarkUsed{"credentials.mark_used", R"sql(
  UPDATE "Credentials" SET "last_used_at" = "clock"() WHERE "id" = $1
)sql"};
constexpr Statement kDeleteExpired{"credentials.delete_expired", R"sql(
  DELETE FROM "Credentials" WHERE "kind" <> 'key' AND "expires_at" < "clock"()
)sql"};

ApiKey key_from_row(const db::Row& row) {
  return {.id = row.get<CredentialId>("id"),
          .name = row.get<std::string>("name"),
          .scopes = row.get<std::vector<std::string>>("scopes"),
          .expires_at = row.get<std::optional<Timestamp>>("expires_at"),
          .last_used_at = row.get<std::optional<Timestamp>>("last_used_at"),
          .created_at = row.get<Timestamp>("created_at")};
}

}  // namespace

void lock(db::Transaction& transaction, UserId user) {
  transaction.queue(kLock, user);
}

asio::awaitable<std::optional<ApiKey>> insert(db::Executor& executor, NewCredential credential,
                                              int most_keys) {
  const std::optional<int> life = credential.kind == CredentialKind::key
                                      ? std::nullopt
                                      : std::optional<int>{credential.life_seconds};
  const db::Rows rows = co_await executor.execute(
      kInsert, credential.user, credential.kind, credential.hash, credential.name,
      credential.scopes, credential.expires_at, life, most_keys, credential.epoch);
  co_return rows.optional(key_from_row);
}

asio::awaitable<std::vector<Bearer>> find_bearers(db::Executor& executor,
                                                  std::vector<std::string> hashes) {
  std::vector<db::Command> commands;
  commands.push_back(db::command(kFindBearers, hashes));
  commands.push_back(user_dao::find_with_credentials(hashes));
  const auto results = co_await executor.execute_all(std::move(commands));
  std::map<boost::uuids::uuid, User> users;
  for (auto& user : user_dao::users_from(results[1])) {
    const auto id = user.id.value;
    users.emplace(id, std::move(user));
  }
  std::vector<Bearer> bearers;
  for (int i = 0; i < results[0].size(); ++i) {
    const auto row = results[0][i];
    const auto user = users.find(row.get<UserId>("user_id").value);
    if (user != users.end()) {
      bearers.push_back(Bearer{.id = row.get<CredentialId>("id"),
                               .kind = row.get<CredentialKind>("kind"),
                               .hash = row.get<std::string>("hash"),
                               .scopes = row.get<std::vector<std::string>>("scopes"),
                               .use_is_stale = row.get<bool>("use_is_stale"),
                               .user = user->second});
    }
  }
  co_return bearers;
}

asio::awaitable<std::vector<ApiKey>> list_keys(db::Executor& executor, UserId user,
                                               std::optional<Cursor> after, int limit) {
  const db::Rows rows =
      co_await executor.execute(kListKeys, user, time_before(after), id_before(after), limit);
  co_return rows.all(key_from_row);
}

asio::awaitable<bool> remove_key(db::Executor& executor, UserId user, CredentialId id) {
  const db::Rows rows = co_await executor.execute(kRemoveKey, user, id);
  co_return rows.affected() == 1;
}

asio::awaitable<void> remove_session(db::Executor& executor, std::string hash) {
  co_await executor.execute(kRemoveSession, hash);
}

asio::awaitable<bool> take_link(db::Transaction& transaction, UserId user, std::string hash) {
  const db::Rows rows = co_await transaction.execute(kTakeLink, user, hash);
  co_return rows.affected() == 1;
}

void remove_links(db::Transaction& transaction, UserId user) {
  transaction.queue(kRemoveLinks, user);
}

asio::awaitable<void> mark_used(db::Executor& executor, CredentialId id) {
  co_await executor.execute(kMarkUsed, id);
}

asio::awaitable<std::int64_t> delete_expired(db::Executor& executor) {
  const db::Rows rows = co_await executor.execute(kDeleteExpired);
  co_return rows.affected();
}

}  // namespace infernode::credential_dao
