#include "accounts/user_dao.hpp"

namespace infernode::user_dao {
namespace {

using db::Statement;

constexpr Statement kInsert{"users.insert", R"sql(
  INSERT INTO "Users" ("email", "password") VALUES ($1, $2)
  ON CONFLICT ("email") DO NOTHING
  RETURNING "id", "email", "password", "role", "tokens", "createdAt", "updatedAt"
)sql"};
constexpr Statement kFindByEmail{"users.find_by_email", R"sql(
  SELECT "id", "email", "password", "role", "tokens", "createdAt", "updatedAt"
    FROM "Users" WHERE "email" = $1
)sql"};
constexpr Statement kFind{"users.find", R"sql(
  SELECT "id", "email", "password", "role", "tokens", "createdAt", "updatedAt"
    FROM "Users" WHERE "id" = $1
)sql"};

std::optional<User> user_from_rows(const db::Rows& rows) {
  if (rows.empty()) {
    return std::nullopt;
  }
  const db::Row row = rows.one();
  return User{.id = row.get<UserId>("id"),
              .email = row.get<std::string>("email"),
              .password_hash = row.get<std::string>("password"),
              .role = row.get<std::string>("role"),
              .tokens = row.get<Tokens>("tokens"),
              .created_at = row.get<Timestamp>("createdAt"),
              .updated_at = row.get<Timestamp>("updatedAt")};
}

}  // namespace

asio::awaitable<std::optional<User>> insert(db::Connection& connection, std::string email,
                                            std::string password_hash) {
  const db::Rows rows = co_await connection.execute(kInsert, email, password_hash);
  co_return user_from_rows(rows);
}

asio::awaitable<std::optional<User>> find_by_email(db::Connection& connection, std::string email) {
  const db::Rows rows = co_await connection.execute(kFindByEmail, email);
  co_return user_from_rows(rows);
}

asio::awaitable<std::optional<User>> find(db::Connection& connection, UserId id) {
  const db::Rows rows = co_await connection.execute(kFind, id);
  co_return user_from_rows(rows);
}

}  // namespace infernode::user_dao
