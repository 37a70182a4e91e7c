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
// One that was killed and began anew under its name is there twice for a while.
constexpr Statement kWorkers{"queue.workers", R"sql(
  SELECT DISTINCT ON ("name") "name", "totals" FROM "Workers"
   WHERE "heartbeat_at" > "clock"() - make_interval(secs => $1)
   ORDER BY "name", "started_at" DESC
)sql"};

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
  state.workers = results[2].all([](const db::Row& row) {
    return QueueState::Worker{row.get<std::string>("name"),
                              totals_from_json(row.get<std::string_view>("totals"))};
  });
  co_return state;
}

}  // namespace infernode::queue_dao
