#include "usage/usage_dao.hpp"

namespace infernode::usage_dao {
namespace {

using db::Statement;

constexpr Statement kList{"usage.list", R"sql(
  WITH span AS (
    SELECT coalesce($2::date, last - 29) AS first, last
      FROM (SELECT coalesce($3::date, ("clock"() AT TIME ZONE 'UTC')::date) AS last) AS ending
  )
  SELECT (CASE $4::text WHEN 'day' THEN "day" WHEN 'month' THEN date_trunc('month', "day")::date
          ELSE first END)::text AS bucket,
         CASE WHEN $5::boolean THEN "pipeline" END AS pipeline_or_all,
         sum("frames")::bigint AS frames, sum("images")::bigint AS images,
         sum("tokens")::numeric(18, 3) AS tokens, sum("joules") AS joules, sum("grams") AS grams
    FROM "Usage", span
   WHERE "user_id" = $1 AND "day" BETWEEN first AND last
   GROUP BY bucket, pipeline_or_all ORDER BY bucket, pipeline_or_all LIMIT $6
)sql"};
// What is looked through is that of today and yesterday, whatever has gathered before. A snapshot
// sees the rows or their sum, never both. Two sweeps at once: what one deletes, the
// other does not find.
constexpr Statement kFold{"usage.fold", R"sql(
  WITH many AS (
    SELECT "user_id", "day", "pipeline" FROM "Usage" WHERE NOT "folded"
     GROUP BY "user_id", "day", "pipeline"
    HAVING count(*) > 16 OR "day" < ("clock"() AT TIME ZONE 'UTC')::date - 1 LIMIT $1
  ), gone AS (
    DELETE FROM "Usage" WHERE "id" IN (
      SELECT usage."id" FROM "Usage" AS usage JOIN many USING ("user_id", "day", "pipeline")
       ORDER BY usage."id" FOR UPDATE OF usage SKIP LOCKED)
    RETURNING *
  )
  INSERT INTO "Usage" ("user_id", "day", "pipeline", "frames", "images", "tokens", "joules", "grams",
                       "folded")
  SELECT "user_id", "day", "pipeline", sum("frames"), sum("images"), sum("tokens"), sum("joules"),
         sum("grams"), true
    FROM gone GROUP BY "user_id", "day", "pipeline"
)sql"};

UsedInBucket bucket_from_row(const db::Row& row) {
  return {row.get<std::string>("bucket"),  row.get<std::optional<std::string>>("pipeline_or_all"),
          row.get<std::int64_t>("frames"), row.get<std::int64_t>("images"),
          row.get<Tokens>("tokens"),       row.get<double>("joules"),
          row.get<double>("grams")};
}

}  // namespace

asio::awaitable<std::vector<UsedInBucket>> list(db::Executor& executor, UserId user,
                                                UsageQuery query, int limit) {
  const db::Rows rows = co_await executor.execute(kList, user, query.from, query.to,
                                                  to_text(query.bucket), query.by_pipeline, limit);
  co_return rows.all(bucket_from_row);
}

asio::awaitable<std::int64_t> fold(db::Executor& executor, int limit) {
  const db::Rows rows = co_await executor.execute(kFold, limit);
  co_return rows.affected();
}

}  // namespace infernode::usage_dao
