#include "jobs/job_dao.hpp"

#include "core/json.hpp"

namespace infernode::job_dao {
namespace {

using db::sql;
using db::Statement;

constexpr db::Text kColumns{
    R"sql(job."id", job."dataset_id", job."user_id", job."video_id", job."status", job."params",
         job."priority", job."images", job."price", job."cost", job."carbon_footprint", job."energy_joules",
         job."carbon_grams", job."error", job."attempt", job."created_at", job."updated_at",
         job."started_at", job."finished_at")sql"};
// A segment under way counts with what it has reported so far.
constexpr db::Text kDone{
    R"sql(job."done" + CASE WHEN job."finished_at" IS NULL THEN coalesce(
           (SELECT sum("progress") FROM "Segments"
             WHERE "user_id" = job."user_id" AND "job_id" = job."id" AND "state" = 'LEASED'), 0) ELSE 0 END AS done)sql"};

constexpr Statement kInsert{"jobs.insert", sql<R"sql(
  WITH wanted AS (
    SELECT * FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::integer[], $6::integer[],
                         $7::numeric[], $8::numeric[])
           AS wanted (id, video_id, params, images, segments, price, cost)
  ), video AS (
    SELECT video."id", video."dataset_id"
      FROM "Videos" AS video JOIN "Datasets" AS dataset ON dataset."id" = video."dataset_id"
     WHERE video."id" = ANY ($3::uuid[]) AND dataset."user_id" = $1 AND dataset."deleted_at" IS NULL
     ORDER BY dataset."id", video."id"
  )
  INSERT INTO "InferenceJobs" AS job ("id", "dataset_id", "user_id", "video_id", "params", "images",
                                      "segments_left", "price", "cost", "priority",
                                      "webhook_url")
  SELECT wanted.id, video."dataset_id", $1, video."id", wanted.params::json, wanted.images,
         wanted.segments, wanted.price, wanted.cost, $9, $10
    FROM wanted JOIN video ON video."id" = wanted.video_id
  RETURNING )sql",
                                               kColumns, R"sql(, 0 AS done)sql">};
// Two numbers, as nothing else takes: "JOBS" in ASCII, and the user's.
constexpr Statement kLockAdding{"jobs.lock_adding", R"sql(
  SELECT pg_advisory_xact_lock(1246711379, hashtext($1::uuid::text))
)sql"};
constexpr db::Text kEnergySource{
    R"sql(result."json_res" #>> '{energy,method}' AS energy_method,
         result."json_res" #>> '{energy,grid_source}' AS grid_source)sql"};
constexpr Statement kFind{"jobs.find",
                          sql<R"sql(
  SELECT )sql",
                              kColumns, R"sql(, )sql", kDone, R"sql(, )sql", kEnergySource, R"sql(
    FROM "InferenceJobs" AS job LEFT JOIN "Results" AS result ON result."inferenceJob_id" = job."id"
    JOIN "Datasets" AS dataset ON dataset."id" = job."dataset_id"
   WHERE job."id" = $2 AND job."user_id" = $1 AND dataset."deleted_at" IS NULL
)sql">};
constexpr Statement kFindAny{
    "jobs.find_any", sql<R"sql(
  SELECT )sql",
                         kColumns, R"sql(, )sql", kDone, R"sql(, )sql", kEnergySource, R"sql(
    FROM "InferenceJobs" AS job LEFT JOIN "Results" AS result ON result."inferenceJob_id" = job."id"
   WHERE job."id" = $1
)sql">};
constexpr Statement kList{"jobs.list", sql<R"sql(
  SELECT )sql",
                                           kColumns, R"sql(, )sql", kDone, R"sql(
    FROM "InferenceJobs" AS job JOIN "Datasets" AS dataset ON dataset."id" = job."dataset_id"
   WHERE job."user_id" = $1 AND dataset."deleted_at" IS NULL
     AND ($2::text IS NULL OR job."status" = $2::"enum_InferenceJobs_status")
     AND ($3::uuid IS NULL OR job."dataset_id" = $3)
     AND ($4::uuid IS NULL OR job."video_id" = $4)
     AND (job."created_at", job."id") < ($5::timestamptz, $6::uuid)
   ORDER BY job."created_at" DESC, job."id" DESC LIMIT $7
)sql">};
constexpr Statement kFindHistory{"jobs.find_history", R"sql(
  SELECT coalesce(sum("done"), 0)::bigint AS images, coalesce(sum("carbon_grams"), 0)::float8 AS grams,
         coalesce(sum(extract(epoch FROM "finished_at" - "started_at")), 0)::float8 AS seconds
    FROM (SELECT "done", "carbon_grams", "started_at", "finished_at" FROM "InferenceJobs"
           WHERE "status" = 'COMPLETED' AND ("params"->'redraw') IS NULL
             AND "params"->>'pipeline' = $1 AND "params"->>'model' = $2
           ORDER BY "finished_at" DESC LIMIT 20) AS job
)sql"};
constexpr Statement kCountOpen{"jobs.count_open", R"sql(
  SELECT count(*) AS open, (SELECT "max_open_jobs" FROM "Users" WHERE "id" = $1) AS most
    FROM "InferenceJobs"
   WHERE "user_id" = $1 AND "status" IN ('PENDING', 'RUNNING')
)sql"};
// Whether a job of the user $1 that draws the job $2 again has not ended.
constexpr db::Text kIsDrawn{
    R"sql(EXISTS (SELECT FROM "InferenceJobs" AS again
              WHERE again."user_id" = $1 AND again."status" IN ('PENDING', 'RUNNING')
                AND again."params"->'redraw'->>'job_id' = $2::uuid::text))sql"};
constexpr Statement kRemoveEnded{"jobs.remove_ended", sql<R"sql(
  DELETE FROM "InferenceJobs" AS job USING "Datasets" AS dataset
   WHERE job."id" = $2 AND job."user_id" = $1 AND job."finished_at" IS NOT NULL
     AND dataset."id" = job."dataset_id" AND dataset."deleted_at" IS NULL
     AND NOT )sql",
                                                          kIsDrawn>};
constexpr Statement kIsBeingDrawn{"jobs.is_being_drawn",
                                  sql<R"sql(SELECT )sql", kIsDrawn, R"sql( AS drawn)sql">};
constexpr Statement kListOpen{"jobs.list_open", R"sql(
  SELECT "id" FROM "InferenceJobs"
   WHERE "dataset_id" = $1 AND "status" IN ('PENDING', 'RUNNING') ORDER BY "id"
)sql"};
constexpr Statement kLockMatching{"jobs.lock_matching", R"sql(
  SELECT "id" FROM "InferenceJobs"
   WHERE "user_id" = $1 AND "status" IN ('PENDING', 'RUNNING')
     AND ($2::text IS NULL OR "status" = $2::"enum_InferenceJobs_status")
     AND ($3::uuid IS NULL OR "dataset_id" = $3)
     AND ($4::uuid IS NULL OR "video_id" = $4)
   ORDER BY "id" FOR UPDATE
)sql"};
constexpr Statement kLockRunning{"jobs.lock_running", R"sql(
  SELECT "price" FROM "InferenceJobs" WHERE "id" = $1 AND "status" IN ('PENDING', 'RUNNING')
     FOR UPDATE
)sql"};
constexpr Statement kLockOpen{"jobs.lock_open", R"sql(
  SELECT "id", "user_id", "video_id", "images", "done" FROM "InferenceJobs"
   WHERE "id" = ANY ($1::uuid[]) AND "status" IN ('PENDING', 'RUNNING') ORDER BY "id" FOR UPDATE
)sql"};
constexpr Statement kMarkRunning{"jobs.mark_running", R"sql(
  UPDATE "InferenceJobs" SET "status" = 'RUNNING', "started_at" = "clock"(), "updated_at" = "clock"()
   WHERE "id" = $1 AND "status" = 'PENDING'
)sql"};
constexpr Statement kAddProgress{"jobs.add_progress", R"sql(
  UPDATE "InferenceJobs"
     SET "done" = "done" + $2, "energy_joules" = "energy_joules" + $3,
         "carbon_grams" = "carbon_grams" + $4::float8,
         "carbon_footprint" = round("carbon_grams" + $4::float8),
         "segments_left" = "segments_left" - 1, "updated_at" = "clock"()
   WHERE "id" = $1
)sql"};
constexpr Statement kSetGrams{"jobs.set_grams", R"sql(
  UPDATE "InferenceJobs"
     SET "carbon_grams" = $2::float8, "carbon_footprint" = round($2::float8) WHERE "id" = $1
)sql"};
constexpr Statement kFinish{"jobs.finish", R"sql(
  UPDATE "InferenceJobs" AS job
     SET "status" = $3::text::"enum_InferenceJobs_status", "cost" = ending.cost, "error" = $4,
         "finished_at" = "clock"(), "updated_at" = "clock"(),
         "outputs_left" = $3::text <> 'COMPLETED'
    FROM unnest($1::uuid[], $2::numeric[]) AS ending (id, cost)
   WHERE job."id" = ending.id
)sql"};
constexpr Statement kNotifyWorkers{"jobs.notify_workers", R"sql(
  SELECT pg_notify('infernode_work', '')
)sql"};
constexpr Statement kListUnfreed{"jobs.list_unfreed", R"sql(
  SELECT "id" FROM "InferenceJobs" WHERE "outputs_left" LIMIT $1
)sql"};
constexpr Statement kMarkFreed{"jobs.mark_freed", R"sql(
  UPDATE "InferenceJobs" SET "outputs_left" = false WHERE "id" = $1
)sql"};
constexpr Statement kListUncleared{"jobs.list_uncleared", R"sql(
  SELECT job."id",
         EXISTS (SELECT FROM "Results" WHERE "inferenceJob_id" = job."id"
                    AND "image_zip" IS NOT NULL AND "image_index" IS NULL) AS images_by_segments
    FROM "InferenceJobs" AS job
   WHERE job."finished_at" < "clock"() - make_interval(secs => $1) AND job."cleared_at" IS NULL
     AND NOT job."outputs_left"
   ORDER BY job."finished_at" LIMIT $2
)sql"};
constexpr Statement kMarkCleared{"jobs.mark_cleared", R"sql(
  UPDATE "InferenceJobs" SET "cleared_at" = "clock"() WHERE "id" = $1
)sql"};
constexpr Statement kListWithSegments{"jobs.list_with_segments", R"sql(
  SELECT job."id" FROM "InferenceJobs" AS job
   WHERE job."video_id" = $1 AND job."finished_at" IS NOT NULL
     AND EXISTS (SELECT FROM "Segments" WHERE "job_id" = job."id")
     AND NOT EXISTS (SELECT FROM "Results" WHERE "inferenceJob_id" = job."id"
                        AND "image_zip" IS NOT NULL AND "image_index" IS NULL) LIMIT $2
)sql"};

Job job_from_row(const db::Row& row) {
  return {.id = row.get<JobId>("id"),
          .dataset = row.get<DatasetId>("dataset_id"),
          .user = row.get<UserId>("user_id"),
          .video = row.get<VideoId>("video_id"),
          .status = row.get<JobStatus>("status"),
          .params = boost::json::parse(row.get<std::string>("params")),
          .priority = row.get<int>("priority"),
          .image_count = row.get<int>("images"),
          .done = row.get<int>("done"),
          .price = row.get<Tokens>("price"),
          .cost = row.get<Tokens>("cost"),
          .carbon_footprint = row.get<int>("carbon_footprint"),
          .energy_joules = row.get<double>("energy_joules"),
          .carbon_grams = row.get<double>("carbon_grams"),
          .error = row.get<std::optional<std::string>>("error"),
          .attempt = row.get<int>("attempt"),
          .waiting = std::nullopt,
          .energy_source = std::nullopt,
          .created_at = row.get<Timestamp>("created_at"),
          .updated_at = row.get<Timestamp>("updated_at"),
          .started_at = row.get<std::optional<Timestamp>>("started_at"),
          .finished_at = row.get<std::optional<Timestamp>>("finished_at")};
}

Job single_from_row(const db::Row& row) {
  Job job = job_from_row(row);
  const auto method = row.get<std::optional<std::string>>("energy_method");
  if (method) {
    job.energy_source =
        EnergySource{*method, row.get<std::optional<std::string>>("grid_source").value_or("")};
  }
  return job;
}

JobId id_from_row(const db::Row& row) {
  return row.get<JobId>("id");
}

OpenJob open_from_row(const db::Row& row) {
  return {row.get<JobId>("id"), row.get<UserId>("user_id"), row.get<VideoId>("video_id"),
          row.get<int>("images"), row.get<int>("done")};
}

UnclearedJob uncleared_from_row(const db::Row& row) {
  return {row.get<JobId>("id"), row.get<bool>("images_by_segments")};
}

}  // namespace

void insert(db::Transaction& transaction, UserId user, int priority,
            const std::optional<std::string>& webhook_url, const std::vector<NewJob>& jobs,
            std::vector<Job>& added) {
  std::vector<JobId> ids;
  std::vector<VideoId> videos;
  std::vector<std::string> params;
  std::vector<int> images;
  std::vector<int> segments;
  std::vector<Tokens> prices;
  std::vector<Tokens> costs;
  for (const auto& job : jobs) {
    ids.push_back(job.id);
    videos.push_back(job.video);
    params.push_back(json_text(job.params));
    images.push_back(job.image_count);
    segments.push_back(job.segment_count);
    prices.push_back(job.price);
    costs.push_back(job.cost);
  }
  transaction.queue(db::command(kInsert, user, ids, videos, params, images, segments, prices, costs,
                                priority, webhook_url),
                    [&added](const db::Rows& rows) { added = rows.all(job_from_row); });
}

void lock_adding(db::Transaction& transaction, UserId user) {
  transaction.queue(kLockAdding, user);
}

void count_open(db::Transaction& transaction, UserId user, OpenJobs& open) {
  transaction.queue(db::command(kCountOpen, user), [&open](const db::Rows& rows) {
    const auto row = rows.one();
    open = {row.get<std::int64_t>("open"), row.get<std::optional<int>>("most")};
  });
}

asio::awaitable<std::optional<Job>> find(db::Executor& executor, UserId user, JobId id) {
  const db::Rows rows = co_await executor.execute(kFind, user, id);
  co_return rows.optional(single_from_row);
}

asio::awaitable<std::optional<Job>> find_any(db::Executor& executor, JobId id) {
  const db::Rows rows = co_await executor.execute(kFindAny, id);
  co_return rows.optional(single_from_row);
}

asio::awaitable<std::vector<Job>> list(db::Executor& executor, UserId user, JobFilter filter,
                                       std::optional<Cursor> after, int limit) {
  const db::Rows rows =
      co_await executor.execute(kList, user, filter.status, filter.dataset, filter.video,
                                time_before(after), id_before(after), limit);
  co_return rows.all(job_from_row);
}

asio::awaitable<bool> remove_ended(db::Executor& executor, UserId user, JobId id) {
  const db::Rows rows = co_await executor.execute(kRemoveEnded, user, id);
  co_return rows.affected() == 1;
}

asio::awaitable<JobHistory> find_history(db::Executor& executor, std::string pipeline,
                                         std::string model) {
  const db::Rows rows = co_await executor.execute(kFindHistory, pipeline, model);
  const auto row = rows.one();
  co_return JobHistory{row.get<std::int64_t>("images"), row.get<double>("grams"),
                       row.get<double>("seconds")};
}

asio::awaitable<bool> is_being_drawn(db::Executor& executor, UserId user, JobId id) {
  const db::Rows rows = co_await executor.execute(kIsBeingDrawn, user, id);
  co_return rows.one().get<bool>("drawn");
}

asio::awaitable<std::vector<JobId>> lock_matching(db::Transaction& transaction, UserId user,
                                                  JobFilter filter) {
  const db::Rows rows = co_await transaction.execute(kLockMatching, user, filter.status,
                                                     filter.dataset, filter.video);
  co_return rows.all(id_from_row);
}

asio::awaitable<std::vector<JobId>> list_open(db::Executor& executor, DatasetId dataset) {
  const db::Rows rows = co_await executor.execute(kListOpen, dataset);
  co_return rows.all(id_from_row);
}

db::Command lock_running(JobId id) {
  return db::command(kLockRunning, id);
}

std::optional<RunningJob> running_from(const db::Rows& rows) {
  return rows.optional([](const db::Row& row) { return RunningJob{row.get<Tokens>("price")}; });
}

asio::awaitable<std::vector<OpenJob>> lock_open(db::Transaction& transaction,
                                                std::vector<JobId> ids) {
  const db::Rows rows = co_await transaction.execute(kLockOpen, ids);
  co_return rows.all(open_from_row);
}

db::Command mark_running(JobId id) {
  return db::command(kMarkRunning, id);
}

void add_progress(db::Transaction& transaction, JobId id, int processed, double joules,
                  double grams) {
  transaction.queue(kAddProgress, id, processed, joules, grams);
}

void set_grams(db::Transaction& transaction, JobId id, double grams) {
  transaction.queue(kSetGrams, id, grams);
}

void finish(db::Transaction& transaction, const std::vector<Ending>& endings, JobStatus status,
            std::optional<std::string> error) {
  std::vector<JobId> ids;
  std::vector<Tokens> costs;
  for (const auto& ending : endings) {
    ids.push_back(ending.id);
    costs.push_back(ending.cost);
  }
  transaction.queue(kFinish, ids, costs, status, error);
}

void notify_workers(db::Transaction& transaction) {
  transaction.queue(kNotifyWorkers);
}

asio::awaitable<void> notify_workers(db::Executor& executor) {
  co_await executor.execute(kNotifyWorkers);
}

asio::awaitable<std::vector<JobId>> list_unfreed(db::Executor& executor, int limit) {
  const db::Rows rows = co_await executor.execute(kListUnfreed, limit);
  co_return rows.all(id_from_row);
}

asio::awaitable<void> mark_freed(db::Executor& executor, JobId id) {
  co_await executor.execute(kMarkFreed, id);
}

asio::awaitable<std::vector<UnclearedJob>> list_uncleared(db::Executor& executor, int keep_seconds,
                                                          int limit) {
  const db::Rows rows = co_await executor.execute(kListUncleared, keep_seconds, limit);
  co_return rows.all(uncleared_from_row);
}

asio::awaitable<void> mark_cleared(db::Executor& executor, JobId id) {
  co_await executor.execute(kMarkCleared, id);
}

asio::awaitable<std::vector<JobId>> list_with_segments(db::Executor& executor, VideoId video,
                                                       int limit) {
  const db::Rows rows = co_await executor.execute(kListWithSegments, video, limit);
  co_return rows.all(id_from_row);
}

}  // namespace infernode::job_dao
