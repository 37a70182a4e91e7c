#include "accounts/login_failure_dao.hpp"

namespace infernode::login_failure_dao {
namespace {

using db::Statement;

constexpr Statement kAdd{"login_failures.add", R"sql(
  INSERT INTO "LoginFailures" AS old ("subject", "failures", "window_ends")
  VALUES ($1, 1, now() + make_interval(secs => $2))
  ON CONFLICT ("subject") DO UPDATE
     SET "failures" = CASE WHEN old."window_ends" <= now() THEN 1
                           ELSE least(old."failures" + 1, 1000000) END,
         "window_ends" = CASE WHEN old."window_ends" <= now() THEN excluded."window_ends"
                              ELSE old."window_ends" END
  RETURNING "failures", ceil(extract(epoch FROM "window_ends" - now()))::integer AS seconds_left
)sql"};
constexpr Statement kSubtract{"login_failures.subtract", R"sql(
  UPDATE "LoginFailures" SET "failures" = greatest("failures" - 1, 0) WHERE "subject" = $1
)sql"};
constexpr Statement kRemove{"login_failures.remove", R"sql(
  DELETE FROM "LoginFailures" WHERE "subject" = $1
)sql"};
constexpr Statement kDeleteExpired{"login_failures.delete_expired", R"sql(
  DELETE FROM "LoginFailures" WHERE "subject" IN (
    SELECT "subject" FROM "LoginFailures" WHERE "window_ends" <= now()
     ORDER BY "window_ends" LIMIT $1 FOR UPDATE SKIP LOCKED)
)sql"};

}  // namespace

asio::awaitable<Failures> add(db::Connection& connection, std::string subject, int window_seconds) {
  const db::Rows rows = co_await connection.execute(kAdd, subject, window_seconds);
  Failures failures{rows.one().get<int>("failures"), rows.one().get<int>("seconds_left")};
  co_return failures;
}

asio::awaitable<void> subtract(db::Connection& connection, std::string subject) {
  co_await connection.execute(kSubtract, subject);
}

asio::awaitable<void> remove(db::Connection& connection, std::string subject) {
  co_await connection.execute(kRemove, subject);
}

asio::awaitable<std::int64_t> delete_expired(db::Connection& connection, int limit) {
  const db::Rows rows = co_await connection.execute(kDeleteExpired, limit);
  co_return rows.affected();
}

}  // namespace infernode::login_failure_dao
