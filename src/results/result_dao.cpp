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

}  // namespace infernode::result_dao
