#include "jobs/worker_dao.hpp"

namespace infernode::worker_dao {
namespace {

using db::Statement;

constexpr Statement kUpsert{"workers.upsert", R"sql(
  INSERT INTO "Workers" ("id", "name", "host", "version", "devices", "models", "offers",
                         "segment_id", "paused", "totals")
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
  ON CONFLICT ("id") DO UPDATE
     SET "heartbeat_at" = "clock"(), "models" = excluded."models",
         "offers" = excluded."offers", "segment_id" = excluded."segment_id",
         "paused" = excluded."paused", "totals" = excluded."totals"
)sql"};
constexpr Statement kRemove{"workers.remove", R"sql(
  DELETE FROM "Workers" WHERE "id" = $1
)sql"};
constexpr Statement kDeleteSilent{"workers.delete_silent", R"sql(
  DELETE FROM "Workers" WHERE "heartbeat_at" < "clock"() - make_interval(secs => $1)
)sql"};
constexpr Statement kFindPause{"workers.find_pause", R"sql(
  SELECT min("paused") AS paused FROM "Workers"
   WHERE "heartbeat_at" > "clock"() - make_interval(secs => $1)
)sql"};

constexpr Statement kFindDevices{"workers.find_devices", R"sql(
  SELECT DISTINCT unnest("devices") AS device FROM "Workers"
   WHERE "heartbeat_at" > "clock"() - make_interval(secs => $1) ORDER BY device
)sql"};
constexpr Statement kFindModelDevices{"workers.find_model_devices", R"sql(
  SELECT DISTINCT model, device FROM "Workers", unnest("models") AS model, unnest("devices") AS device
   WHERE "heartbeat_at" > "clock"() - make_interval(secs => $1) ORDER BY model, device
)sql"};

}  // namespace

db::Command upsert(const WorkerInfo& worker, std::optional<std::int64_t> segment,
                   std::optional<std::string> paused) {
  return db::command(kUpsert, worker.id, worker.name, worker.host, worker.version, worker.devices,
                     worker.models, worker.offers(), segment, paused, totals_json(worker.totals));
}

std::string sign_of_life(WorkerId id) {
  // "WORK" in ASCII.
  return "SELECT pg_advisory_lock_shared(1464816203, hashtext('" + id.to_string() + "'))";
}

asio::awaitable<void> remove(db::Executor& executor, WorkerId id) {
  co_await executor.execute(kRemove, id);
}

asio::awaitable<std::int64_t> delete_silent(db::Executor& executor, int seconds) {
  const db::Rows rows = co_await executor.execute(kDeleteSilent, seconds);
  co_return rows.affected();
}

asio::awaitable<std::optional<std::string>> find_pause(db::Executor& executor, int seconds) {
  const db::Rows rows = co_await executor.execute(kFindPause, seconds);
  co_return rows.one().get<std::optional<std::string>>("paused");
}

asio::awaitable<std::vector<std::string>> find_devices(db::Executor& executor, int seconds) {
  const db::Rows rows = co_await executor.execute(kFindDevices, seconds);
  co_return rows.all([](const db::Row& row) { return row.get<std::string>("device"); });
}

asio::awaitable<std::map<std::string, std::vector<std::string>>> find_model_devices(
    db::Executor& executor, int seconds) {
  const db::Rows rows = co_await executor.execute(kFindModelDevices, seconds);
  std::map<std::string, std::vector<std::string>> devices;
  for (int i = 0; i < rows.size(); ++i) {
    devices[rows[i].get<std::string>("model")].push_back(rows[i].get<std::string>("device"));
  }
  co_return devices;
}

}  // namespace infernode::worker_dao
