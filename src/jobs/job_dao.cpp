#include "jobs/job_dao.hpp"

#include "core/json.hpp"

namespace infernode::job_dao {
namespace {

using db::Statement;

constexpr Statement kInsert{"jobs.insert", R"sql(
  INSERT INTO "InferenceJobs" ("id", "dataset_id", "user_id", "video_id", "params", "images",
                               "segments_left", "price", "cost")
  SELECT $1, dataset."id", $2, video."id", $4, $5, $6, $7, $8
    FROM "Videos" AS video JOIN "Datasets" AS dataset ON dataset."id" = video."dataset_id"
   WHERE video."id" = $3 AND dataset."user_id" = $2 AND dataset."deleted_at" IS NULL
     FOR SHARE
)sql"};
// A segment under way counts with what it has reported so far.
constexpr Statement kFind{"jobs.find", R"sql(
  SELECT job."id", job."dataset_id", job."user_id", job."video_id", job."status", job."params",
         job."images", job."price", job."cost", job."carbon_footprint", job."energy_joules",
         job."carbon_grams", job."error", job."attempt", job."created_at", job."updated_at",
         job."started_at", job."finished_at",
         job."done" + coalesce((SELECT sum("progress") FROM "Segments"
                                 WHERE "job_id" = job."id" AND "state" = 'LEASED'), 0) AS done
    FROM "InferenceJobs" AS job JOIN "Datasets" AS dataset ON dataset."id" = job."dataset_id"
   WHERE job."id" = $2 AND job."user_id" = $1 AND dataset."deleted_at" IS NULL
)sql"};
constexpr Statement kList{"jobs.list", R"sql(
  SELECT job."id", job."dataset_id", job."user_id", job."video_id", job."status", job."params",
         job."images", job."price", job."cost", job."carbon_footprint", job."energy_joules",
         job."carbon_grams", job."error", job."attempt", job."created_at", job."updated_at",
         job."started_at", job."finished_at",
         job."done" + coalesce((SELECT sum("progress") FROM "Segments"
                                 WHERE "job_id" = job."id" AND "state" = 'LEASED'), 0) AS done
    FROM "InferenceJobs" AS job JOIN "Datasets" AS dataset ON dataset."id" = job."dataset_id"
   WHERE job."user_id" = $1 AND dataset."deleted_at" IS NULL
     AND ($2::text IS NULL OR job."status" = $2::"enum_InferenceJobs_status")
     AND ($3::uuid IS NULL OR job."dataset_id" = $3)
     AND ($4::uuid IS NULL OR job."video_id" = $4)
     AND ($5::timestamptz IS NULL OR (job."created_at", job."id") < ($5, $6::uuid))
   ORDER BY job."created_at" DESC, job."id" DESC LIMIT $7
)sql"};
constexpr Statement kLock{"jobs.lock", R"sql(
  SELECT "video_id", "status", "images", "done", "price"
    FROM "InferenceJobs" WHERE "id" = $1 FOR UPDATE
)sql"};
constexpr Statement kCountOpen{"jobs.count_open", R"sql(
  SELECT count(*) AS open FROM "InferenceJobs"
   WHERE "user_id" = $1 AND "status" IN ('PENDING', 'RUNNING')
)sql"};
constexpr Statement kListOpen{"jobs.list_open", R"sql(
  SELECT "id" FROM "InferenceJobs"
   WHERE "dataset_id" = $1 AND "status" IN ('PENDING', 'RUNNING') ORDER BY "id"
)sql"};
constexpr Statement kOwnedBy{"jobs.owned_by", R"sql(
  SELECT EXISTS (SELECT FROM "InferenceJobs" AS job
                   JOIN "Datasets" AS dataset ON dataset."id" = job."dataset_id"
                  WHERE job."id" = $2 AND job."user_id" = $1 AND dataset."deleted_at" IS NULL) AS owned
)sql"};
constexpr Statement kMarkRunning{"jobs.mark_running", R"sql(
  UPDATE "InferenceJobs" SET "status" = 'RUNNING', "started_at" = now(), "updated_at" = now()
   WHERE "id" = $1 AND "status" = 'PENDING'
)sql"};
constexpr Statement kAddProgress{"jobs.add_progress", R"sql(
  UPDATE "InferenceJobs"
     SET "done" = "done" + $2, "energy_joules" = "energy_joules" + $3,
         "segments_left" = "segments_left" - 1, "updated_at" = now()
   WHERE "id" = $1
  RETURNING "segments_left"
)sql"};
constexpr Statement kFinish{"jobs.finish", R"sql(
  UPDATE "InferenceJobs"
     SET "status" = $2::text::"enum_InferenceJobs_status", "cost" = $3, "energy_joules" = $4,
         "carbon_grams" = $5::float8, "carbon_footprint" = round($5::float8), "error" = $6,
         "finished_at" = now(), "updated_at" = now()
   WHERE "id" = $1
)sql"};
constexpr Statement kEnergy{"jobs.energy", R"sql(
  SELECT "energy_joules" FROM "InferenceJobs" WHERE "id" = $1
)sql"};
constexpr Statement kNotifyWorkers{"jobs.notify_workers", R"sql(
  SELECT pg_notify('infernode_work', '')
)sql"};

Job job_from_row(const db::Row& row) {
  return {.id = row.get<JobId>("id"),
          .dataset = row.get<DatasetId>("dataset_id"),
          .user = row.get<UserId>("user_id"),
          .video = row.get<VideoId>("video_id"),
          .status = row.get<std::string>("status"),
          .params = boost::json::parse(row.get<std::string>("params")),
          .images = row.get<int>("images"),
          .done = row.get<int>("done"),
          .price = row.get<Tokens>("price"),
          .cost = row.get<Tokens>("cost"),
          .carbon_footprint = row.get<int>("carbon_footprint"),
          .energy_joules = row.get<double>("energy_joules"),
          .carbon_grams = row.get<double>("carbon_grams"),
          .error = row.get<std::optional<std::string>>("error"),
          .attempt = row.get<int>("attempt"),
          .created_at = row.get<Timestamp>("created_at"),
          .updated_at = row.get<Timestamp>("updated_at"),
          .started_at = row.get<std::optional<Timestamp>>("started_at"),
          .finished_at = row.get<std::optional<Timestamp>>("finished_at")};
}

}  // namespace

asio::awaitable<bool> insert(db::Connection& connection, NewJob job) {
  const std::string params = json_text(job.params);
  const db::Rows rows =
      co_await connection.execute(kInsert, job.id, job.user, job.video, params, job.images,
                                  job.segments.size(), job.price, job.cost);
  co_return rows.affected() == 1;
}

asio::awaitable<std::optional<Job>> find(db::Connection& connection, UserId user, JobId id) {
  const db::Rows rows = co_await connection.execute(kFind, user, id);
  co_return rows.empty() ? std::nullopt : std::optional{job_from_row(rows.one())};
}

asio::awaitable<std::vector<Job>> list(db::Connection& connection, UserId user, JobFilter filter,
                                       std::optional<Cursor> after, int limit) {
  const db::Rows rows =
      co_await connection.execute(kList, user, filter.status, filter.dataset, filter.video,
                                  time_of(after), id_of(after), limit);
  std::vector<Job> jobs;
  for (int i = 0; i < rows.size(); ++i) {
    jobs.push_back(job_from_row(rows[i]));
  }
  co_return jobs;
}

asio::awaitable<std::optional<LockedJob>> lock(db::Connection& connection, JobId id) {
  const db::Rows rows = co_await connection.execute(kLock, id);
  if (rows.empty()) {
    co_return std::nullopt;
  }
  const db::Row row = rows.one();
  LockedJob job{row.get<VideoId>("video_id"), row.get<std::string>("status"),
                row.get<int>("images"), row.get<int>("done"), row.get<Tokens>("price")};
  co_return job;
}

asio::awaitable<std::int64_t> count_open(db::Connection& connection, UserId user) {
  const db::Rows rows = co_await connection.execute(kCountOpen, user);
  co_return rows.one().get<std::int64_t>("open");
}

asio::awaitable<std::vector<JobId>> list_open(db::Connection& connection, DatasetId dataset) {
  const db::Rows rows = co_await connection.execute(kListOpen, dataset);
  std::vector<JobId> jobs;
  for (int i = 0; i < rows.size(); ++i) {
    jobs.push_back(rows[i].get<JobId>("id"));
  }
  co_return jobs;
}

asio::awaitable<bool> owned_by(db::Connection& connection, UserId user, JobId id) {
  const db::Rows rows = co_await connection.execute(kOwnedBy, user, id);
  co_return rows.one().get<bool>("owned");
}

asio::awaitable<void> mark_running(db::Connection& connection, JobId id) {
  co_await connection.execute(kMarkRunning, id);
}

asio::awaitable<int> add_progress(db::Connection& connection, JobId id, int processed,
                                  double joules) {
  const db::Rows rows = co_await connection.execute(kAddProgress, id, processed, joules);
  co_return rows.one().get<int>("segments_left");
}

asio::awaitable<void> finish(db::Connection& connection, JobId id, Ending ending) {
  co_await connection.execute(kFinish, id, ending.status, ending.cost, ending.joules, ending.grams,
                              ending.error);
}

asio::awaitable<double> energy_joules(db::Connection& connection, JobId id) {
  const db::Rows rows = co_await connection.execute(kEnergy, id);
  co_return rows.one().get<double>("energy_joules");
}

asio::awaitable<void> notify_workers(db::Connection& connection) {
  co_await connection.execute(kNotifyWorkers);
}

}  // namespace infernode::job_dao
