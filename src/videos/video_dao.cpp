#include "videos/video_dao.hpp"

#include "core/json.hpp"

namespace infernode::video_dao {
namespace {

namespace json = boost::json;
using db::sql;
using db::Statement;

constexpr db::Text kColumns{
    R"sql(video."id", video."dataset_id", video."file", video."name", video."frame_count",
         video."width", video."height", video."rotation", video."pixel_aspect", video."fps",
         video."duration", video."codec", video."warnings", blob."size",
         encode(blob."sha256", 'hex') AS sha256, video."created_at", video."updatedAt")sql"};

constexpr Statement kInsert{"videos.insert", R"sql(
  INSERT INTO "Videos" ("id", "dataset_id", "file", "name", "frame_count", "width", "height", "fps",
                        "duration", "codec", "thumbnail", "keyframes", "rotation", "pixel_aspect",
                        "warnings")
  SELECT $1, dataset."id", $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16
    FROM "Datasets" AS dataset
   WHERE dataset."id" = $3 AND dataset."user_id" = $2 AND dataset."deleted_at" IS NULL
     FOR SHARE
  RETURNING "id"
)sql"};
constexpr Statement kFind{"videos.find", sql<R"sql(
  SELECT )sql",
                                             kColumns, R"sql(
    FROM "Videos" AS video
    JOIN "Datasets" AS dataset ON dataset."id" = video."dataset_id"
    JOIN "Blobs" AS blob ON blob."id" = video."file"
   WHERE video."id" = $2 AND dataset."user_id" = $1 AND dataset."deleted_at" IS NULL
)sql">};
constexpr Statement kList{"videos.list", sql<R"sql(
  SELECT )sql",
                                             kColumns, R"sql(
    FROM "Videos" AS video
    JOIN "Datasets" AS dataset ON dataset."id" = video."dataset_id"
    JOIN "Blobs" AS blob ON blob."id" = video."file"
   WHERE video."dataset_id" = $2 AND dataset."user_id" = $1 AND dataset."deleted_at" IS NULL
     AND (video."created_at", video."id") < ($3::timestamptz, $4::uuid)
   ORDER BY video."created_at" DESC, video."id" DESC LIMIT $5
)sql">};
constexpr Statement kThumbnail{"videos.thumbnail", R"sql(
  SELECT video."thumbnail"
    FROM "Videos" AS video JOIN "Datasets" AS dataset ON dataset."id" = video."dataset_id"
   WHERE video."id" = $2 AND dataset."user_id" = $1 AND dataset."deleted_at" IS NULL
     AND video."thumbnail" IS NOT NULL
)sql",
                               true};
constexpr db::Text kChosen{R"sql(
    FROM "Videos" AS video JOIN "Datasets" AS dataset ON dataset."id" = video."dataset_id"
   WHERE dataset."user_id" = $1 AND dataset."deleted_at" IS NULL
     AND ($2::uuid IS NULL OR video."dataset_id" = $2)
     AND ($3::uuid[] IS NULL OR video."id" = ANY ($3))
   ORDER BY array_position($3, video."id"), video."created_at" DESC, video."id" DESC LIMIT $4)sql"};
constexpr Statement kListFrames{"videos.list_frames", sql<R"sql(
  SELECT video."id", video."frame_count", video."width", video."height", '[]'::json AS keyframes)sql",
                                                          kChosen>};
constexpr Statement kLockFrames{"videos.lock_frames", sql<R"sql(
  SELECT video."id", video."frame_count", video."width", video."height", video."keyframes")sql",
                                                          kChosen, R"sql( FOR SHARE)sql">};
constexpr Statement kLock{"videos.lock", R"sql(
  SELECT video."id"
    FROM "Videos" AS video JOIN "Datasets" AS dataset ON dataset."id" = video."dataset_id"
   WHERE video."id" = $2 AND dataset."user_id" = $1 AND dataset."deleted_at" IS NULL
     FOR UPDATE OF video
)sql"};
constexpr Statement kHasActiveJobs{"videos.has_active_jobs", R"sql(
  SELECT EXISTS (SELECT FROM "InferenceJobs"
                  WHERE "video_id" = $1 AND "status" IN ('PENDING', 'RUNNING')) AS active
)sql"};
constexpr Statement kListIn{"videos.list_in", R"sql(
  SELECT "id" FROM "Videos" WHERE "dataset_id" = $1 LIMIT $2
)sql"};
constexpr Statement kShareFile{"videos.share_file", R"sql(
  SELECT "share_video_file"($1)
)sql"};
constexpr Statement kRemove{"videos.remove", R"sql(
  DELETE FROM "Videos" WHERE "id" = $1
)sql"};

Video video_from_row(const db::Row& row) {
  return {.id = row.get<VideoId>("id"),
          .dataset = row.get<DatasetId>("dataset_id"),
          .file = row.get<BlobId>("file"),
          .name = row.get<std::string>("name"),
          .frame_count = row.get<int>("frame_count"),
          .width = row.get<int>("width"),
          .height = row.get<int>("height"),
          .rotation = row.get<int>("rotation"),
          .pixel_aspect = row.get<double>("pixel_aspect"),
          .fps = row.get<double>("fps"),
          .duration = row.get<double>("duration"),
          .codec = row.get<std::string>("codec"),
          .warnings = row.get<std::vector<std::string>>("warnings"),
          .size = row.get<std::int64_t>("size"),
          .sha256 = row.get<std::string>("sha256"),
          .created_at = row.get<Timestamp>("created_at"),
          .updated_at = row.get<Timestamp>("updatedAt")};
}

std::vector<media::Keyframe> keyframes_from_row(const db::Row& row) {
  std::vector<media::Keyframe> keyframes;
  const auto list = json::parse(row.get<std::string>("keyframes"));
  for (const auto& entry : list.as_array()) {
    keyframes.push_back(media::keyframe_from_json(entry));
  }
  return keyframes;
}

VideoFrames frames_from_row(const db::Row& row) {
  return {.video = row.get<VideoId>("id"),
          .count = row.get<int>("frame_count"),
          .width = row.get<int>("width"),
          .height = row.get<int>("height"),
          .keyframes = keyframes_from_row(row)};
}

}  // namespace

asio::awaitable<std::optional<VideoId>> insert(db::Transaction& transaction, VideoId id,
                                               NewVideo video) {
  json::array keyframes;
  for (const auto& keyframe : video.info.keyframes) {
    keyframes.push_back(media::keyframe_to_json(keyframe));
  }
  const db::Bytes thumbnail{video.info.thumbnail};
  const std::string keyframes_text = json_text(keyframes);
  const db::Rows rows = co_await transaction.execute(
      kInsert, id, video.user, video.dataset, video.file, video.name, video.info.frame_count,
      video.info.width, video.info.height, video.info.fps, video.info.duration, video.info.codec,
      thumbnail, keyframes_text, video.info.rotation, video.info.pixel_aspect, video.info.warnings);
  co_return rows.optional([](const db::Row& row) { return row.get<VideoId>("id"); });
}

asio::awaitable<std::optional<Video>> find(db::Executor& executor, UserId user, VideoId id) {
  const db::Rows rows = co_await executor.execute(kFind, user, id);
  co_return rows.optional(video_from_row);
}

asio::awaitable<std::vector<Video>> list(db::Executor& executor, UserId user, DatasetId dataset,
                                         std::optional<Cursor> after, int limit) {
  const db::Rows rows =
      co_await executor.execute(kList, user, dataset, time_before(after), id_before(after), limit);
  co_return rows.all(video_from_row);
}

asio::awaitable<std::optional<std::vector<std::byte>>> thumbnail(db::Executor& executor,
                                                                 UserId user, VideoId id) {
  const db::Rows rows = co_await executor.execute(kThumbnail, user, id);
  co_return rows.optional([](const db::Row& row) { return db::binary(row, "thumbnail"); });
}

asio::awaitable<std::vector<VideoFrames>> list_frames(db::Executor& executor, UserId user,
                                                      std::optional<DatasetId> dataset,
                                                      std::optional<std::vector<VideoId>> ids,
                                                      int limit) {
  const db::Rows rows = co_await executor.execute(kListFrames, user, dataset, ids, limit);
  co_return rows.all(frames_from_row);
}

asio::awaitable<std::vector<VideoFrames>> lock_frames(db::Executor& transaction, UserId user,
                                                      std::optional<DatasetId> dataset,
                                                      std::optional<std::vector<VideoId>> ids,
                                                      int limit) {
  const db::Rows rows = co_await transaction.execute(kLockFrames, user, dataset, ids, limit);
  co_return rows.all(frames_from_row);
}

asio::awaitable<bool> lock(db::Transaction& transaction, UserId user, VideoId id) {
  const db::Rows rows = co_await transaction.execute(kLock, user, id);
  co_return !rows.empty();
}

asio::awaitable<bool> has_active_jobs(db::Executor& executor, VideoId id) {
  const db::Rows rows = co_await executor.execute(kHasActiveJobs, id);
  co_return rows.one().get<bool>("active");
}

asio::awaitable<std::vector<VideoId>> list_in(db::Executor& executor, DatasetId dataset,
                                              int limit) {
  const db::Rows rows = co_await executor.execute(kListIn, dataset, limit);
  co_return rows.all([](const db::Row& row) { return row.get<VideoId>("id"); });
}

void share_file(db::Transaction& transaction, VideoId id) {
  transaction.queue(kShareFile, id);
}

void remove(db::Transaction& transaction, VideoId id) {
  transaction.queue(kRemove, id);
}

asio::awaitable<void> remove(db::Executor& executor, VideoId id) {
  co_await executor.execute(kRemove, id);
}

}  // namespace infernode::video_dao
