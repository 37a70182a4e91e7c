#include "events/event_dao.hpp"

namespace infernode::event_dao {
namespace {

using db::Statement;

constexpr Statement kLastId{"events.last_id", R"sql(
  SELECT coalesce(max("id"), 0) AS last_id FROM "Events" WHERE "user_id" = $1
)sql"};
constexpr Statement kListAfter{"events.list_after", R"sql(
  SELECT "id", "type", "body"::text AS body, "body"->>'id' AS subject FROM "Events"
   WHERE "user_id" = $1 AND "id" > $2 ORDER BY "id" LIMIT $3
)sql"};
constexpr Statement kListNews{"events.list_news", R"sql(
  SELECT place.user_id, event.* FROM unnest($1::uuid[], $2::bigint[]) AS place (user_id, after)
   CROSS JOIN LATERAL (
     SELECT "id", "type", "body"::text AS body, "body"->>'id' AS subject FROM "Events"
      WHERE "user_id" = place.user_id AND "id" > place.after ORDER BY "id" LIMIT $3) AS event
   ORDER BY place.user_id, event."id"
)sql"};
constexpr Statement kListBehind{"events.list_behind", R"sql(
  SELECT place.user_id FROM unnest($1::uuid[], $2::bigint[]) AS place (user_id, after)
   WHERE (SELECT max("id") FROM "Events" WHERE "user_id" = place.user_id) > place.after
)sql"};
constexpr Statement kListRunning{"events.list_running", R"sql(
  SELECT job."user_id", job."id", job."images" AS total,
         job."done" + coalesce(
           (SELECT sum("progress") FROM "Segments"
             WHERE "user_id" = job."user_id" AND "job_id" = job."id" AND "state" = 'LEASED'), 0) AS done
    FROM "InferenceJobs" AS job WHERE job."user_id" = ANY ($1::uuid[]) AND job."status" = 'RUNNING'
)sql"};
constexpr Statement kAnnounce{"events.announce", R"sql(
  SELECT pg_notify('infernode_events', user_id) FROM unnest($1::text[]) AS user_id
)sql"};
constexpr Statement kRemoveOlder{"events.remove_older", R"sql(
  WITH alone AS MATERIALIZED (SELECT pg_try_advisory_xact_lock(1163284052) AS alone), old AS (
    SELECT "user_id", max("id") AS "id" FROM (
      SELECT "user_id", "id" FROM "Events" AS event
       WHERE (SELECT alone FROM alone) AND "created_at" < "clock"() - make_interval(secs => $1)
         AND "id" < (SELECT max("id") FROM "Events" WHERE "user_id" = event."user_id")
       ORDER BY "created_at" LIMIT $2) AS oldest GROUP BY "user_id"), removed AS (
    -- By numbers, for what is kept of a user has no hole.
    DELETE FROM "Events" AS event USING old
     WHERE event."user_id" = old."user_id" AND event."id" <= old."id" RETURNING 1)
  SELECT count(*) AS removed FROM removed
)sql"};

Event event_from_row(const db::Row& row) {
  return {row.get<std::int64_t>("id"), row.get<std::string>("type"), row.get<std::string>("body"),
          row.get<std::optional<std::string>>("subject").value_or("")};
}

// As two arrays.
std::pair<std::vector<UserId>, std::vector<std::int64_t>> columns_of(
    const std::vector<Place>& places) {
  std::pair<std::vector<UserId>, std::vector<std::int64_t>> columns;
  for (const auto& place : places) {
    columns.first.push_back(place.user);
    columns.second.push_back(place.after);
  }
  return columns;
}

}  // namespace

asio::awaitable<std::int64_t> last_id(db::Executor& executor, UserId user) {
  const db::Rows rows = co_await executor.execute(kLastId, user);
  co_return rows.one().get<std::int64_t>("last_id");
}

asio::awaitable<std::vector<Event>> list_after(db::Executor& executor, Place place, int limit) {
  const db::Rows rows = co_await executor.execute(kListAfter, place.user, place.after, limit);
  co_return rows.all(event_from_row);
}

asio::awaitable<std::vector<std::pair<UserId, Event>>> list_news(db::Executor& executor,
                                                                 std::vector<Place> places,
                                                                 int limit) {
  const auto [users, afters] = columns_of(places);
  const db::Rows rows = co_await executor.execute(kListNews, users, afters, limit);
  co_return rows.all([](const db::Row& row) {
    return std::pair{row.get<UserId>("user_id"), event_from_row(row)};
  });
}

asio::awaitable<std::vector<UserId>> list_behind(db::Executor& executor,
                                                 std::vector<Place> places) {
  const auto [users, afters] = columns_of(places);
  const db::Rows rows = co_await executor.execute(kListBehind, users, afters);
  co_return rows.all([](const db::Row& row) { return row.get<UserId>("user_id"); });
}

asio::awaitable<std::vector<RunningJob>> list_running(db::Executor& executor,
                                                      std::vector<UserId> users) {
  const db::Rows rows = co_await executor.execute(kListRunning, users);
  co_return rows.all([](const db::Row& row) {
    return RunningJob{row.get<UserId>("user_id"), row.get<JobId>("id"),
                      row.get<std::int64_t>("done"), row.get<std::int64_t>("total")};
  });
}

asio::awaitable<void> announce(db::Executor& executor, std::vector<std::string> users) {
  co_await executor.execute(kAnnounce, users);
}

asio::awaitable<std::int64_t> remove_older(db::Executor& executor, int seconds, int limit) {
  const db::Rows rows = co_await executor.execute(kRemoveOlder, seconds, limit);
  co_return rows.one().get<std::int64_t>("removed");
}

}  // namespace infernode::event_dao
