#include "videos/video_dao.hpp"

#include "core/json.hpp"

namespace infernode::video_dao {
namespace {

namespace json = boost::json;
using db::Statement;

constexpr Statement kInsert{"videos.insert", R"sql(
  INSERT INTO "Videos" ("id", "dataset_id", "file", "name", "frame_count", "width", "height", "fps",
                        "duration", "codec", "thumbnail", "keyframes")
  SELECT $1, dataset."id", $4, $5, $6, $7, $8, $9, $10, $11, $12, $13
    FROM "Datasets" AS dataset
   WHERE dataset."id" = $3 AND dataset."user_id" = $2 AND dataset."deleted_at" IS NULL
     FOR SHARE
  RETURNING "id"
)sql"};
constexpr Statement kFind{"videos.find", R"sql(
  SELECT video."id", video."dataset_id", video."file", video."name", video."frame_count",
         video."width", video."height", video."fps", video."duration", video."codec", blob."size",
         encode(blob."sha256", 'hex') AS sha256, video."created_at", video."updatedAt"
    FROM "Videos" AS video
    JOIN "Datasets" AS dataset ON dataset."id" = video."dataset_id"
    JOIN "Blobs" AS blob ON blob."id" = video."file"
   WHERE video."id" = $2 AND dataset."user_id" = $1 AND dataset."deleted_at" IS NULL
)sql"};
constexpr Statement kList{"videos.list", R"sql(
  SELECT video."id", video."dataset_id", video."file", video."name", video."frame_count",
         video."width", video."height", video."fps", video."duration", video."codec", blob."size",
         encode(blob."sha256", 'hex') AS sha256, video."created_at", video."updatedAt"
    FROM "Videos" AS video
    JOIN "Datasets" AS dataset ON dataset."id" = video."dataset_id"
    JOIN "Blobs" AS blob ON blob."id" = video."file"
   WHERE video."dataset_id" = $2 AND dataset."user_id" = $1 AND dataset."deleted_at" IS NULL
     AND ($3::timestamptz IS NULL OR (video."created_at", video."id") < ($3, $4::uuid))
   ORDER BY video."created_at" DESC, video."id" DESC LIMIT $5
)sql"};
constexpr Statement kThumbnail{"videos.thumbnail", R"sql(
  SELECT video."thumbnail"
    FROM "Videos" AS video JOIN "Datasets" AS dataset ON dataset."id" = video."dataset_id"
   WHERE video."id" = $2 AND dataset."user_id" = $1 AND dataset."deleted_at" IS NULL
     AND video."thumbnail" IS NOT NULL
)sql",
                               true};
constexpr Statement kListFrames{"videos.list_frames", R"sql(
  SELECT video."id", video."frame_count", video."keyframes"
    FROM "Videos" AS video JOIN "Datasets" AS dataset ON dataset."id" = video."dataset_id"
   WHERE dataset."user_id" = $1 AND dataset."deleted_at" IS NULL
     AND ($2::uuid IS NULL OR video."dataset_id" = $2)
     AND ($3::uuid[] IS NULL OR video."id" = ANY ($3))
   ORDER BY array_position($3, video."id"), video."created_at" DESC, video."id" DESC LIMIT $4
)sql"};
constexpr Statement kKeyframes{"videos.keyframes", R"sql(
  SELECT "keyframes" FROM "Videos" WHERE "id" = $1
)sql"};
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
          .fps = row.get<double>("fps"),
          .duration = row.get<double>("duration"),
          .codec = row.get<std::string>("codec"),
          .size = row.get<std::int64_t>("size"),
          .sha256 = row.get<std::string>("sha256"),
          .created_at = row.get<Timestamp>("created_at"),
          .updated_at = row.get<Timestamp>("updatedAt")};
}

std::vector<media::Keyframe> keyframes_from_row(const db::Row& row) {
  std::vector<media::Keyframe> keyframes;
  const auto list = json::parse(row.get<std::string>("keyframes"));
  for (const auto& entry : list.as_array()) {
    keyframes.push_back(media::Keyframe{json::value_to<int>(entry.at(0)),
                                        json::value_to<std::int64_t>(entry.at(1))});
  }
  return keyframes;
}

}  // namespace

asio::awaitable<std::optional<VideoId>> insert(db::Connection& connection, VideoId id,
                                               NewVideo video) {
  json::array keyframes;
  for (const auto& keyframe : video.info.keyframes) {
    keyframes.push_back(json::array{keyframe.frame, keyframe.pts});
  }
  const db::Bytes thumbnail{video.info.thumbnail};
  const std::string keyframes_text = json_text(keyframes);
  const db::Rows rows = co_await connection.execute(
      kInsert, id, video.user, video.dataset, video.file, video.name, video.info.frame_count,
      video.info.width, video.info.height, video.info.fps, video.info.duration, video.info.codec,
      thumbnail, keyframes_text);
  co_return rows.empty() ? std::nullopt : std::optional{rows.one().get<VideoId>("id")};
}

asio::awaitable<std::optional<Video>> find(db::Connection& connection, UserId user, VideoId id) {
  const db::Rows rows = co_await connection.execute(kFind, user, id);
  co_return rows.empty() ? std::nullopt : std::optional{video_from_row(rows.one())};
}

asio::awaitable<std::vector<Video>> list(db::Connection& connection, UserId user, DatasetId dataset,
                                         std::optional<Cursor> after, int limit) {
  const db::Rows rows =
      co_await connection.execute(kList, user, dataset, time_of(after), id_of(after), limit);
  std::vector<Video> videos;
  for (int i = 0; i < rows.size(); ++i) {
    videos.push_back(video_from_row(rows[i]));
  }
  co_return videos;
}

asio::awaitable<std::optional<std::vector<std::byte>>> thumbnail(db::Connection& connection,
                                                                 UserId user, VideoId id) {
  const db::Rows rows = co_await connection.execute(kThumbnail, user, id);
  if (rows.empty()) {
    co_return std::nullopt;
  }
  const auto text = rows.one().get<std::string_view>("thumbnail");
  const auto* begin = reinterpret_cast<const std::byte*>(text.data());
  std::vector<std::byte> bytes(begin, begin + text.size());
  co_return bytes;
}

asio::awaitable<std::vector<media::Keyframe>> keyframes(db::Connection& connection, VideoId id) {
  const db::Rows rows = co_await connection.execute(kKeyframes, id);
  if (rows.empty()) {
    co_return std::vector<media::Keyframe>{};
  }
  co_return keyframes_from_row(rows.one());
}

asio::awaitable<std::vector<VideoFrames>> list_frames(db::Connection& connection, UserId user,
                                                      std::optional<DatasetId> dataset,
                                                      std::optional<std::vector<VideoId>> ids,
                                                      int limit) {
  std::optional<std::vector<std::string>> texts;
  if (ids) {
    texts.emplace();
    for (const VideoId id : *ids) {
      texts->push_back(id.to_string());
    }
  }
  const db::Rows rows = co_await connection.execute(kListFrames, user, dataset, texts, limit);
  std::vector<VideoFrames> videos;
  for (int i = 0; i < rows.size(); ++i) {
    videos.push_back(VideoFrames{rows[i].get<VideoId>("id"), rows[i].get<int>("frame_count"),
                                 keyframes_from_row(rows[i])});
  }
  co_return videos;
}

asio::awaitable<bool> lock(db::Connection& connection, UserId user, VideoId id) {
  const db::Rows rows = co_await connection.execute(kLock, user, id);
  co_return !rows.empty();
}

asio::awaitable<bool> has_active_jobs(db::Connection& connection, VideoId id) {
  const db::Rows rows = co_await connection.execute(kHasActiveJobs, id);
  co_return rows.one().get<bool>("active");
}

asio::awaitable<void> remove(db::Connection& connection, VideoId id) {
  co_await connection.execute(kRemove, id);
}

}  // namespace infernode::video_dao
