#include "videos/uploads/upload_dao.hpp"

#include <boost/json.hpp>
#include <span>

#include "core/digest.hpp"

namespace infernode::upload_dao {
namespace {

using db::Statement;

constexpr Statement kInsert{"uploads.insert", R"sql(
  INSERT INTO "Uploads" ("id", "user_id", "dataset_id", "file", "name", "size", "sha256",
                         "leased_until")
  VALUES ($1, $2, $3, $4, $5, $6, $7, "clock"() + make_interval(secs => $8))
)sql"};
constexpr Statement kFind{"uploads.find", R"sql(
  SELECT "id", "size", "state", "video_id", "frame_count", "cost", "problem", "expires_at"
    FROM "Uploads" WHERE "id" = $2 AND "user_id" = $1 AND "expires_at" > "clock"()
)sql"};
constexpr Statement kClaim{"uploads.claim", R"sql(
  UPDATE "Uploads" SET "leased_until" = "clock"() + make_interval(secs => $1)
   WHERE "id" = (SELECT "id" FROM "Uploads"
                  WHERE "state" = 'probing' AND "leased_until" < "clock"()
                  ORDER BY "leased_until" LIMIT 1 FOR UPDATE SKIP LOCKED)
  RETURNING "id", "user_id", "dataset_id", "file", "name", "size",
            encode("sha256", 'hex') AS sha256
)sql"};
constexpr Statement kRenew{"uploads.renew", R"sql(
  UPDATE "Uploads" SET "leased_until" = "clock"() + make_interval(secs => $2)
   WHERE "id" = $1 AND "state" = 'probing'
)sql"};
constexpr Statement kLockOpen{"uploads.lock_open", R"sql(
  SELECT "id" FROM "Uploads" WHERE "id" = $1 AND "state" = 'probing' FOR UPDATE
)sql"};
constexpr Statement kAccept{"uploads.accept", R"sql(
  UPDATE "Uploads"
     SET "state" = 'accepted', "file" = NULL, "video_id" = $2, "frame_count" = $3, "cost" = $4
   WHERE "id" = $1
)sql"};
constexpr Statement kRefuse{"uploads.refuse", R"sql(
  UPDATE "Uploads" SET "state" = 'refused', "file" = NULL, "problem" = $2 WHERE "id" = $1
)sql"};
constexpr Statement kDeleteExpired{"uploads.delete_expired", R"sql(
  DELETE FROM "Uploads" WHERE "expires_at" < "clock"()
)sql"};

Upload upload_from_row(const db::Row& row) {
  Upload upload;
  upload.id = row.get<UploadId>("id");
  upload.size = row.get<std::int64_t>("size");
  upload.state = row.get<UploadState>("state");
  upload.video = row.get<std::optional<VideoId>>("video_id");
  upload.frame_count = row.get<std::optional<int>>("frame_count");
  upload.cost = row.get<std::optional<Tokens>>("cost");
  if (const auto problem = row.get<std::optional<std::string>>("problem")) {
    upload.problem = boost::json::parse(*problem).as_object();
  }
  upload.expires_at = row.get<Timestamp>("expires_at");
  return upload;
}

Claimed claimed_from_row(const db::Row& row) {
  Claimed claimed;
  claimed.id = row.get<UploadId>("id");
  claimed.file = row.get<std::optional<BlobId>>("file");
  auto& video = claimed.video;
  video.user = row.get<UserId>("user_id");
  video.dataset = row.get<DatasetId>("dataset_id");
  video.file = claimed.file.value_or(BlobId{});
  video.name = row.get<std::string>("name");
  video.size = row.get<std::int64_t>("size");
  video.sha256 = sha256_from_hex(row.get<std::string>("sha256"));
  return claimed;
}

}  // namespace

db::Command insert(UploadId id, const NewVideo& video, int lease_seconds) {
  const db::Bytes sha256{video.sha256};
  return db::command(kInsert, id, video.user, video.dataset, video.file, video.name, video.size,
                     sha256, lease_seconds);
}

asio::awaitable<std::optional<Upload>> find(db::Executor& executor, UserId user, UploadId id) {
  const db::Rows rows = co_await executor.execute(kFind, user, id);
  co_return rows.optional(upload_from_row);
}

asio::awaitable<std::optional<Claimed>> claim(db::Executor& executor, int lease_seconds) {
  const db::Rows rows = co_await executor.execute(kClaim, lease_seconds);
  co_return rows.optional(claimed_from_row);
}

asio::awaitable<void> renew(db::Executor& executor, UploadId id, int lease_seconds) {
  co_await executor.execute(kRenew, id, lease_seconds);
}

asio::awaitable<bool> lock_open(db::Transaction& transaction, UploadId id) {
  const db::Rows rows = co_await transaction.execute(kLockOpen, id);
  co_return rows.optional([](const db::Row& row) { return row.get<UploadId>("id"); }).has_value();
}

db::Command accept(UploadId id, VideoId video, int frames, Tokens cost) {
  return db::command(kAccept, id, video, frames, cost);
}

db::Command refuse(UploadId id, const std::string& problem) {
  return db::command(kRefuse, id, problem);
}

asio::awaitable<std::int64_t> delete_expired(db::Executor& executor) {
  const db::Rows rows = co_await executor.execute(kDeleteExpired);
  co_return rows.affected();
}

}  // namespace infernode::upload_dao
