#include "jobs/turn_dao.hpp"

namespace infernode::turn_dao {
namespace {

using db::Statement;

constexpr Statement kUnpark{"turns.unpark", R"sql(
  UPDATE "Turns"
     SET "parked" = false, "pass" = greatest("pass", (SELECT "last_value" FROM "turn_clock"))
   WHERE "user_id" = $1 AND "parked"
     AND ("max_running" IS NULL
          OR "running_segments"("user_id") < "max_running")
  RETURNING pg_notify('infernode_work', '')
)sql"};
// Who is being served at this moment is passed over: nobody waits here with locks of others.
constexpr Statement kUnparkAll{"turns.unpark_all", R"sql(
  WITH free AS (
    SELECT "user_id" FROM "Turns"
     WHERE "parked"
       AND ("max_running" IS NULL
            OR "running_segments"("user_id") < "max_running")
       FOR UPDATE SKIP LOCKED
  )
  UPDATE "Turns" AS line
     SET "parked" = false, "pass" = greatest("pass", (SELECT "last_value" FROM "turn_clock"))
    FROM free WHERE line."user_id" = free."user_id"
  RETURNING pg_notify('infernode_work', '')
)sql"};
constexpr Statement kDeleteIdle{"turns.delete_idle", R"sql(
  DELETE FROM "Turns" WHERE "user_id" IN (
    SELECT "user_id" FROM "Turns"
     WHERE "lanes" = '{}' AND NOT "parked" AND "pass" <= (SELECT "last_value" FROM "turn_clock")
     LIMIT 1000 FOR UPDATE SKIP LOCKED)
)sql"};
constexpr Statement kLook{"turns.look", R"sql(
  WITH offered AS (SELECT coalesce(array_agg("id"), '{}') AS lanes FROM "Lanes" WHERE "needs" <@ $1
  ), urgent AS (
    SELECT min(first."claimable_at") AS since FROM offered, unnest(offered.lanes) AS served (lane)
     CROSS JOIN LATERAL (
       SELECT "claimable_at" FROM "Segments"
        WHERE "lane" = served.lane AND "state" = 'PENDING' AND "urgent"
        ORDER BY "claimable_at" LIMIT 1) AS first)
  SELECT least((SELECT "last_value" FROM "turn_clock"),
               (SELECT "pass" FROM "Turns", offered
                 WHERE "Turns"."lanes" <> '{}' AND NOT "parked" AND "Turns"."lanes" && offered.lanes
                 ORDER BY "pass" LIMIT 1)) AS pass,
         least((SELECT since FROM urgent), "clock"() - interval '1 s') AS urgent,
         (SELECT extract(epoch FROM since - "clock"()) FROM urgent)::float8 AS due,
         (SELECT extract(epoch FROM "claimable_at" - "clock"()) FROM "Segments"
           WHERE "state" = 'LEASED' ORDER BY "claimable_at" LIMIT 1)::float8 AS seconds
)sql"};
constexpr Statement kSetUsualLimit{"turns.set_usual_limit", R"sql(
  WITH other AS (
    SELECT line."user_id" FROM "Turns" AS line JOIN "Users" AS u ON u."id" = line."user_id"
     WHERE u."max_running_segments" IS NULL AND line."max_running" IS DISTINCT FROM $1::integer
       FOR NO KEY UPDATE OF u SKIP LOCKED FOR UPDATE OF line SKIP LOCKED
  )
  UPDATE "Turns" AS line SET "max_running" = $1 FROM other WHERE line."user_id" = other."user_id"
)sql"};
constexpr Statement kList{"turns.list", R"sql(
  SELECT "user_id", greatest("pass", (SELECT "last_value" FROM "turn_clock")) AS pass, "stride",
         coalesce((SELECT sum("images" - "done") FROM "InferenceJobs" AS job
                    WHERE job."user_id" = line."user_id" AND job."status" IN ('PENDING', 'RUNNING')), 0)
           AS images
    FROM "Turns" AS line WHERE "lanes" <> '{}'
)sql"};

Line line_from_row(const db::Row& row) {
  return {row.get<UserId>("user_id"), row.get<std::int64_t>("pass"),
          row.get<std::int64_t>("stride"), row.get<std::int64_t>("images")};
}

}  // namespace

db::Command unpark(UserId user) {
  return db::command(kUnpark, user);
}

db::Command unpark_all() {
  return db::command(kUnparkAll);
}

db::Command delete_idle() {
  return db::command(kDeleteIdle);
}

db::Command look(std::vector<std::string> offers) {
  return db::command(kLook, offers);
}

Look look_from(const db::Rows& rows) {
  const auto row = rows.one();
  Look look;
  look.hints.pass_floor = row.get<std::int64_t>("pass");
  look.hints.urgent_floor = row.get<Timestamp>("urgent");
  look.seconds_to_expiry = row.get<std::optional<double>>("seconds");
  look.seconds_to_due = row.get<std::optional<double>>("due");
  return look;
}

asio::awaitable<std::int64_t> set_usual_limit(db::Executor& executor, std::optional<int> limit) {
  const db::Rows rows = co_await executor.execute(kSetUsualLimit, limit);
  co_return rows.affected();
}

asio::awaitable<std::vector<Line>> list(db::Executor& executor) {
  const db::Rows rows = co_await executor.execute(kList);
  co_return rows.all(line_from_row);
}

}  // namespace infernode::turn_dao
