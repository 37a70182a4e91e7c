#include "jobs/queue_dao.hpp"

#include <utility>
#include <vector>

namespace infernode::queue_dao {
namespace {

using db::Statement;

constexpr Statement kJobs{"queue.jobs", R"sql(
  SELECT "status", count(*) AS count,
         coalesce(extract(epoch FROM "clock"() - min("created_at")), 0)::float8 AS oldest
    FROM "InferenceJobs" WHERE "status" IN ('PENDING', 'RUNNING') GROUP BY "status"
)sql"};
// One statement a state, for the partial index of each.
constexpr Statement kSegments{"queue.segments", R"sql(
  SELECT 'PENDING' AS state, count(*) AS count FROM "Segments" WHERE "state" = 'PENDING'
  UNION ALL SELECT 'LEASED', count(*) FROM "Segments" WHERE "state" = 'LEASED'
  UNION ALL SELECT 'BLOCKED', count(*) FROM "Segments" WHERE "state" = 'BLOCKED'
)sql"};
// One that was killed and began anew under its name is there twice for a while, and so is what it
// worked on.
constexpr Statement kWorkers{"queue.workers", R"sql(
  SELECT DISTINCT ON (worker."name") worker."name", worker."host", worker."version",
         worker."devices", worker."models", worker."started_at", worker."heartbeat_at",
         worker."paused", worker."totals", segment."job_id", segment."kind", segment."images",
         segment."progress", job."params"->>'pipeline' AS pipeline
    FROM "Workers" AS worker
    LEFT JOIN "Segments" AS segment
           ON segment."worker" = worker."name" AND segment."state" = 'LEASED'
    LEFT JOIN "InferenceJobs" AS job ON job."id" = segment."job_id"
   WHERE worker."heartbeat_at" > "clock"() - make_interval(secs => $1)
   ORDER BY worker."name", worker."started_at" DESC, segment."claimable_at" DESC
)sql"};

QueueState::Worker worker_from_row(const db::Row& row) {
  QueueState::Worker worker{.name = row.get<std::string>("name"),
                            .host = row.get<std::string>("host"),
                            .version = row.get<std::string>("version"),
                            .devices = row.get<std::vector<std::string>>("devices"),
                            .models = row.get<std::vector<std::string>>("models"),
                            .started_at = row.get<Timestamp>("started_at"),
                            .heartbeat_at = row.get<Timestamp>("heartbeat_at"),
                            .paused = row.get<std::optional<std::string>>("paused"),
                            .work = {},
                            .totals = totals_from_json(row.get<std::string_view>("totals"))};
  if (const auto job = row.get<std::optional<JobId>>("job_id")) {
    worker.work =
        QueueState::Work{*job, row.get<std::string>("pipeline"), row.get<SegmentKind>("kind"),
                         row.get<int>("images"), row.get<int>("progress")};
  }
  return worker;
}

}  // namespace

asio::awaitable<QueueState> look(db::Executor& executor, int silence_seconds) {
  std::vector<db::Command> commands;
  commands.push_back(db::command(kJobs));
  commands.push_back(db::command(kSegments));
  commands.push_back(db::command(kWorkers, silence_seconds));
  const auto results = co_await executor.execute_all(std::move(commands));
  QueueState state;
  state.jobs = {{"PENDING", 0}, {"RUNNING", 0}};
  for (int i = 0; i < results[0].size(); ++i) {
    const auto row = results[0][i];
    const auto status = row.get<std::string>("status");
    state.jobs[status] = row.get<std::int64_t>("count");
    if (status == "PENDING") {
      state.oldest_seconds = row.get<double>("oldest");
    }
  }
  for (int i = 0; i < results[1].size(); ++i) {
    const auto row = results[1][i];
    state.segments[row.get<std::string>("state")] = row.get<std::int64_t>("count");
  }
  state.workers = results[2].all(worker_from_row);
  co_return state;
}

}  // namespace infernode::queue_dao
