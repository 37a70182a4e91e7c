#include "results/result_dao.hpp"

namespace infernode::result_dao {
namespace {

using db::Statement;

constexpr Statement kInsert{"results.insert", R"sql(
  INSERT INTO "Results" ("inferenceJob_id", "json_res", "frames", "image_zip", "image_index",
                         "video")
  VALUES ($1, $2, $3, $4, $5, $6)
)sql"};
constexpr Statement kFind{"results.find", R"sql(
  SELECT result."json_res", result."frames", coalesce(frames."size", 0) AS frames_size,
         result."image_zip", coalesce(images."size", 0) AS images_size,
         result."image_index", coalesce(index."size", 0) AS index_size,
         result."video", coalesce(video."size", 0) AS video_size
    FROM "Results" AS result
    JOIN "InferenceJobs" AS job ON job."id" = result."inferenceJob_id"
    JOIN "Datasets" AS dataset ON dataset."id" = job."dataset_id"
    LEFT JOIN "Blobs" AS frames ON frames."id" = result."frames"
    LEFT JOIN "Blobs" AS images ON images."id" = result."image_zip"
    LEFT JOIN "Blobs" AS index ON index."id" = result."image_index"
    LEFT JOIN "Blobs" AS video ON video."id" = result."video"
   WHERE job."id" = $2 AND job."user_id" = $1 AND dataset."deleted_at" IS NULL
)sql"};

constexpr Statement kDatasetName{"results.dataset_name", R"sql(
  SELECT "name" FROM "Datasets" WHERE "id" = $2 AND "user_id" = $1 AND "deleted_at" IS NULL
)sql"};
// In the order of upload.
constexpr Statement kLatest{"results.latest", R"sql(
  SELECT latest."id", video."name"
    FROM "Datasets" AS dataset
    JOIN "Videos" AS video ON video."dataset_id" = dataset."id"
    JOIN LATERAL (
      SELECT job."id" FROM "InferenceJobs" AS job
        JOIN "Results" AS result ON result."inferenceJob_id" = job."id"
       WHERE job."video_id" = video."id" AND job."user_id" = $1 AND job."status" = 'COMPLETED'
         AND ($3::text IS NULL OR job."params" ->> 'pipeline' = $3)
       ORDER BY job."finished_at" DESC, job."id" LIMIT 1) AS latest ON true
   WHERE dataset."id" = $2 AND dataset."user_id" = $1 AND dataset."deleted_at" IS NULL
   ORDER BY video."created_at", video."id"
)sql"};
constexpr Statement kLabels{"results.labels", R"sql(
  SELECT DISTINCT label
    FROM "Results", LATERAL json_object_keys("json_res" #> '{summary,labels}') AS label
   WHERE "inferenceJob_id" = ANY ($1) AND json_typeof("json_res" #> '{summary,labels}') = 'object'
)sql"};

StoredResult result_from_row(const db::Row& row) {
  return {row.get<std::string>("json_res"),     row.get<std::optional<BlobId>>("frames"),
          row.get<std::int64_t>("frames_size"), row.get<std::optional<BlobId>>("image_zip"),
          row.get<std::int64_t>("images_size"), row.get<std::optional<BlobId>>("image_index"),
          row.get<std::int64_t>("index_size"),  row.get<std::optional<BlobId>>("video"),
          row.get<std::int64_t>("video_size")};
}

}  // namespace

void insert(db::Transaction& transaction, const NewResult& result) {
  transaction.queue(kInsert, result.job, result.head, result.frames_blob, result.images_blob,
                    result.index_blob, result.video_blob);
}

asio::awaitable<std::optional<StoredResult>> find(db::Executor& executor, UserId user, JobId job) {
  const db::Rows rows = co_await executor.execute(kFind, user, job);
  co_return rows.optional(result_from_row);
}

asio::awaitable<std::optional<std::string>> dataset_name(db::Executor& executor, UserId user,
                                                         DatasetId dataset) {
  const db::Rows rows = co_await executor.execute(kDatasetName, user, dataset);
  co_return rows.optional([](const db::Row& row) { return row.get<std::string>("name"); });
}

asio::awaitable<std::vector<LatestResult>> latest(db::Executor& executor, UserId user,
                                                  DatasetId dataset,
                                                  std::optional<std::string> pipeline) {
  const db::Rows rows = co_await executor.execute(kLatest, user, dataset, pipeline);
  co_return rows.all([](const db::Row& row) {
    return LatestResult{row.get<JobId>("id"), row.get<std::string>("name")};
  });
}

asio::awaitable<std::vector<std::string>> labels(db::Executor& executor,
                                                 std::vector<LatestResult> results) {
  std::vector<JobId> jobs;
  for (const auto& result : results) {
    jobs.push_back(result.job);
  }
  const db::Rows rows = co_await executor.execute(kLabels, jobs);
  co_return rows.all([](const db::Row& row) { return row.get<std::string>("label"); });
}

}  // namespace infernode::result_dao
