#include "results/result_dao.hpp"

namespace infernode::result_dao {
namespace {

using db::Statement;

constexpr Statement kInsert{"results.insert", R"sql(
  INSERT INTO "Results" ("inferenceJob_id", "json_res", "frames", "image_zip")
  VALUES ($1, $2, $3, $4)
)sql"};
constexpr Statement kFind{"results.find", R"sql(
  SELECT result."json_res", result."frames", coalesce(frames."size", 0) AS frames_size,
         result."image_zip", coalesce(images."size", 0) AS images_size
    FROM "Results" AS result
    JOIN "InferenceJobs" AS job ON job."id" = result."inferenceJob_id"
    JOIN "Datasets" AS dataset ON dataset."id" = job."dataset_id"
    LEFT JOIN "Blobs" AS frames ON frames."id" = result."frames"
    LEFT JOIN "Blobs" AS images ON images."id" = result."image_zip"
   WHERE job."id" = $2 AND job."user_id" = $1 AND dataset."deleted_at" IS NULL
)sql"};

}  // namespace

asio::awaitable<void> insert(db::Connection& connection, NewResult result) {
  co_await connection.execute(kInsert, result.job, result.head, result.frames, result.images);
}

asio::awaitable<std::optional<StoredResult>> find(db::Connection& connection, UserId user,
                                                  JobId job) {
  const db::Rows rows = co_await connection.execute(kFind, user, job);
  if (rows.empty()) {
    co_return std::nullopt;
  }
  const db::Row row = rows.one();
  StoredResult result{row.get<std::string>("json_res"), row.get<std::optional<BlobId>>("frames"),
                      row.get<std::int64_t>("frames_size"),
                      row.get<std::optional<BlobId>>("image_zip"),
                      row.get<std::int64_t>("images_size")};
  co_return result;
}

}  // namespace infernode::result_dao
