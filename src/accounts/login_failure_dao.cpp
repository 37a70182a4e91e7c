#include "accounts/login_failure_dao.hpp"

namespace infernode::login_failure_dao {
namespace {

using db::Statement;

// Where a limit is reached already nothing is written: an attempt too many costs a look. Sorted, so
// that two attempts with the same subjects cannot wait for each other in a circle.
constexpr Statement kBegin{"login_failures.begin", R"sql(
  WITH given AS MATERIALIZED (
    SELECT subject, most FROM unnest($1::varchar[], $2::integer[]) AS given (subject, most)
  ), reached AS MATERIALIZED (
    SELECT old."subject", old."failures", old."pending" + 1 AS "pending", old."window_ends"
      FROM "LoginFailures" AS old JOIN given ON given.subject = old."subject"
     WHERE old."window_ends" > "clock"() AND old."failures" + old."pending" >= given.most
  ), begun AS (
    INSERT INTO "LoginFailures" AS old ("subject", "pending", "window_ends")
    SELECT subject, 1, "clock"() + make_interval(secs => $3)
      FROM given WHERE NOT EXISTS (SELECT FROM reached) ORDER BY subject
    ON CONFLICT ("subject") DO UPDATE
       SET "failures" = CASE WHEN old."window_ends" <= "clock"() THEN 0 ELSE old."failures" END,
           "pending" = CASE WHEN old."window_ends" <= "clock"() THEN 1
                            ELSE least(old."pending" + 1, 1000000) END,
           "window_ends" = CASE WHEN old."window_ends" <= "clock"() THEN excluded."window_ends"
                                ELSE old."window_ends" END
    RETURNING "subject", "failures", "pending", "window_ends"
  )
  SELECT "subject", "failures", "pending", begun,
         ceil(extract(epoch FROM "window_ends" - "clock"()))::integer AS seconds_left
    FROM (SELECT *, false AS begun FROM reached UNION ALL SELECT *, true FROM begun) AS attempts
)sql"};
constexpr Statement kEnd{"login_failures.end", R"sql(
  WITH own AS (SELECT "subject" FROM "LoginFailures" WHERE "subject" = ANY ($1::varchar[])
                ORDER BY "subject" FOR UPDATE)
  UPDATE "LoginFailures" AS attempts
     SET "pending" = greatest("pending" - 1, 0),
         "failures" = least("failures" + CASE WHEN $2::boolean THEN 1 ELSE 0 END, 1000000)
    FROM own WHERE attempts."subject" = own."subject"
)sql"};
constexpr Statement kForgive{"login_failures.forgive", R"sql(
  UPDATE "LoginFailures" SET "failures" = 0 WHERE "subject" = ANY ($1::varchar[]) AND "failures" > 0
)sql"};
constexpr Statement kDeleteExpired{"login_failures.delete_expired", R"sql(
  DELETE FROM "LoginFailures" WHERE "subject" IN (
    SELECT "subject" FROM "LoginFailures" WHERE "window_ends" <= "clock"()
     ORDER BY "window_ends" LIMIT $1 FOR UPDATE SKIP LOCKED)
)sql"};

}  // namespace

asio::awaitable<std::vector<Attempts>> begin(db::Executor& executor, std::vector<Subject> subjects,
                                             int window_seconds) {
  std::vector<std::string> names;
  std::vector<int> limits;
  for (auto& subject : subjects) {
    names.push_back(std::move(subject.name));
    limits.push_back(subject.limit);
  }
  const db::Rows rows = co_await executor.execute(kBegin, names, limits, window_seconds);
  co_return rows.all([](const db::Row& row) {
    return Attempts{row.get<std::string>("subject"), row.get<int>("failures"),
                    row.get<int>("pending"), row.get<int>("seconds_left"), row.get<bool>("begun")};
  });
}

asio::awaitable<void> end(db::Executor& executor, std::vector<std::string> subjects, bool failed) {
  co_await executor.execute(kEnd, subjects, failed);
}

asio::awaitable<void> forgive(db::Executor& executor, std::vector<std::string> subjects) {
  co_await executor.execute(kForgive, subjects);
}

asio::awaitable<std::int64_t> delete_expired(db::Executor& executor, int limit) {
  const db::Rows rows = co_await executor.execute(kDeleteExpired, limit);
  co_return rows.affected();
}

}  // namespace infernode::login_failure_dao
