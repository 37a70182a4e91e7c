#include "videos/uploads/upload_dao.hpp"

#include <boost/json.hpp>
#include <span>

#include "core/digest.hpp"

namespace infernode::upload_dao {
namespace {

using db::sql;
using db::Statement;

constexpr Statement kInsert{"uploads.insert", R"sql(
  INSERT INTO "Uploads" ("id", "user_id", "dataset_id", "file", "name", "size", "sha256",
                         "leased_until")
  VALUES ($1, $2, $3, $4, $5, $6, $7, "clock"() + make_interval(secs => $8))
)sql"};
constexpr Statement kInsertReceiving{"uploads.insert_receiving", R"sql(
  INSERT INTO "Uploads" ("id", "user_id", "dataset_id", "file", "name", "size", "received", "confirm",
                         "metadata", "state", "leased_until", "expires_at")
  SELECT $1::uuid, $2::uuid, $3::uuid, $4::uuid, $5::text, $6::bigint, 0, $7::boolean, $8::text,
         'receiving', "clock"(), "clock"() + make_interval(secs => $9)
   WHERE $10::integer > (SELECT count(*) FROM "Uploads" WHERE "user_id" = $2 AND "state" = 'receiving')
)sql"};
constexpr Statement kHold{"uploads.hold", R"sql(
  UPDATE "Uploads" SET "fence" = "fence" + 1,
         "expires_at" = "clock"() + make_interval(secs => $4)
   WHERE "id" = $2 AND "user_id" = $1 AND "state" = 'receiving' AND "received" = $3
     AND "file" IS NOT NULL AND "expires_at" > "clock"()
  RETURNING "file", "fence", "user_id", "dataset_id", "name", "size", "confirm",
            coalesce("metadata", '') AS metadata, coalesce("hash_state", '') AS hash_state
)sql"};
constexpr Statement kRequireHeld{"uploads.require_held", R"sql(SELECT "hold_upload"($1, $2))sql"};
constexpr Statement kAdvance{"uploads.advance", R"sql(
  UPDATE "Uploads" SET "received" = $2, "hash_state" = $3,
         "expires_at" = "clock"() + make_interval(secs => $4)
   WHERE "id" = $1
)sql"};
constexpr Statement kBeginProbe{"uploads.begin_probe", R"sql(
  UPDATE "Uploads" SET "received" = "size", "hash_state" = NULL, "sha256" = $2, "state" = 'probing',
         "leased_until" = "clock"() + make_interval(secs => $3),
         "expires_at" = "clock"() + make_interval(secs => $4)
   WHERE "id" = $1
)sql"};
// "video_id" is what a server of before writes.
constexpr db::Text kColumns{
    R"sql(SELECT "id", "dataset_id", "name", coalesce("received", "size") AS received, "size", "state",
         ARRAY(SELECT video."id"
                 FROM unnest(coalesce("video_ids", ARRAY["video_id"])) WITH ORDINALITY AS made (id, place)
                 JOIN "Videos" AS video ON video."id" = made.id
                ORDER BY made.place) AS videos,
         "frame_count", "cost", "problem", "metadata", "created_at", "expires_at", "file" IS NOT NULL AS kept
    FROM "Uploads")sql"};
constexpr Statement kFind{"uploads.find", sql<kColumns, R"sql(
   WHERE "id" = $2 AND "user_id" = $1 AND "expires_at" > "clock"()
)sql">};
constexpr Statement kListUnfinished{"uploads.list_unfinished", sql<kColumns, R"sql(
   WHERE "user_id" = $1 AND "expires_at" > "clock"() AND "file" IS NOT NULL
     AND ("created_at", "id") < ($2, $3)
   ORDER BY "created_at" DESC, "id" DESC LIMIT $4
)sql">};
constexpr Statement kRemove{"uploads.remove", R"sql(
  DELETE FROM "Uploads" WHERE "id" = $2 AND "user_id" = $1 AND "expires_at" > "clock"()
     AND ("state" = 'receiving' OR NOT $3)
  RETURNING "file"
)sql"};
constexpr Statement kClaimUnpaid{"uploads.claim_unpaid", R"sql(
  UPDATE "Uploads" SET "state" = 'probing', "confirm" = false, "problem" = NULL, "fence" = "fence" + 1,
         "leased_until" = "clock"() + make_interval(secs => $3),
         "expires_at" = "clock"() + make_interval(secs => $4)
   WHERE "id" = $2 AND "user_id" = $1 AND "state" IN ('priced', 'refused') AND "file" IS NOT NULL
     AND "expires_at" > "clock"()
  RETURNING "id", "fence", "user_id", "dataset_id", "file", "name", "size",
            encode("sha256", 'hex') AS sha256
)sql"};
constexpr Statement kWaitForPayment{"uploads.wait_for_payment", R"sql(
  UPDATE "Uploads" SET "state" = CASE WHEN $4::json IS NULL THEN 'priced' ELSE 'refused' END,
         "frame_count" = $2, "cost" = $3, "problem" = $4,
         "expires_at" = "clock"() + make_interval(secs => $5)
   WHERE "id" = $1
)sql"};
constexpr Statement kClaim{"uploads.claim", R"sql(
  UPDATE "Uploads" SET "fence" = "fence" + 1, "leased_until" = "clock"() + make_interval(secs => $1)
   WHERE "id" = (SELECT "id" FROM "Uploads"
                  WHERE "state" = 'probing' AND "leased_until" < "clock"()
                  ORDER BY "leased_until" LIMIT 1 FOR UPDATE SKIP LOCKED)
  RETURNING "id", "fence", "user_id", "dataset_id", "file", "name", "size",
            encode("sha256", 'hex') AS sha256
)sql"};
constexpr Statement kRenew{"uploads.renew", R"sql(
  UPDATE "Uploads" SET "leased_until" = "clock"() + make_interval(secs => $3)
   WHERE "id" = $1 AND "fence" = $2 AND "state" = 'probing'
)sql"};
constexpr Statement kLockOpen{"uploads.lock_open", R"sql(
  SELECT "confirm", "cost" FROM "Uploads"
   WHERE "id" = $1 AND "fence" = $2 AND "state" = 'probing' FOR UPDATE
)sql"};
constexpr Statement kAccept{"uploads.accept", R"sql(
  UPDATE "Uploads"
     SET "state" = 'accepted', "file" = NULL, "video_id" = ($2::uuid[])[1], "video_ids" = $2,
         "frame_count" = $3, "cost" = $4,
         "expires_at" = "clock"() + interval '1 day'
   WHERE "id" = $1
)sql"};
constexpr Statement kRefuse{"uploads.refuse", R"sql(
  UPDATE "Uploads" SET "state" = 'refused', "file" = NULL, "problem" = $2,
         "expires_at" = "clock"() + interval '1 day'
   WHERE "id" = $1
)sql"};
constexpr Statement kDeleteExpired{"uploads.delete_expired", R"sql(
  DELETE FROM "Uploads" WHERE "expires_at" < "clock"() AND "state" <> 'probing'
)sql"};

Upload upload_from_row(const db::Row& row) {
  Upload upload;
  upload.id = row.get<UploadId>("id");
  upload.dataset = row.get<DatasetId>("dataset_id");
  upload.name = row.get<std::string>("name");
  upload.offset = row.get<std::int64_t>("received");
  upload.size = row.get<std::int64_t>("size");
  upload.state = row.get<UploadState>("state");
  for (const auto& video : row.get<std::vector<std::string>>("videos")) {
    upload.videos.push_back(VideoId::parse(video).value());
  }
  upload.frame_count = row.get<std::optional<int>>("frame_count");
  upload.cost = row.get<std::optional<Tokens>>("cost");
  if (const auto problem = row.get<std::optional<std::string>>("problem")) {
    upload.problem = boost::json::parse(*problem).as_object();
  }
  upload.metadata = row.get<std::optional<std::string>>("metadata");
  upload.kept = row.get<bool>("kept");
  upload.created_at = row.get<Timestamp>("created_at");
  upload.expires_at = row.get<Timestamp>("expires_at");
  return upload;
}

Claimed claimed_from_row(const db::Row& row) {
  Claimed claimed;
  claimed.id = row.get<UploadId>("id");
  claimed.fence = row.get<int>("fence");
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

asio::awaitable<bool> insert_receiving(db::Transaction& transaction, UploadId id,
                                       const NewUpload& upload, BlobId file, int keep_seconds,
                                       int most) {
  const db::Rows rows = co_await transaction.execute(
      kInsertReceiving, id, upload.user, upload.dataset, file, upload.name, upload.size,
      upload.confirm, upload.metadata, keep_seconds, most);
  co_return rows.affected() == 1;
}

asio::awaitable<std::optional<Held>> hold(db::Transaction& transaction, UserId user, UploadId id,
                                          std::int64_t offset, int keep_seconds) {
  const db::Rows rows = co_await transaction.execute(kHold, user, id, offset, keep_seconds);
  co_return rows.optional([](const db::Row& row) {
    return Held{row.get<BlobId>("file"), row.get<int>("fence"),
                row.get<std::vector<std::byte>>("hash_state"),
                NewUpload{row.get<UserId>("user_id"), row.get<DatasetId>("dataset_id"),
                          row.get<std::string>("name"), row.get<std::int64_t>("size"),
                          row.get<bool>("confirm"), row.get<std::string>("metadata")}};
  });
}

db::Command require_held(UploadId id, int fence) {
  return db::command(kRequireHeld, id, fence);
}

db::Command advance(UploadId id, std::int64_t offset, const std::vector<std::byte>& hash_state,
                    int keep_seconds) {
  const db::Bytes state{hash_state};
  return db::command(kAdvance, id, offset, state, keep_seconds);
}

db::Command begin_probe(UploadId id, const Sha256Digest& sha256, int lease_seconds,
                        int keep_seconds) {
  const db::Bytes digest{sha256};
  return db::command(kBeginProbe, id, digest, lease_seconds, keep_seconds);
}

asio::awaitable<std::vector<Upload>> list_unfinished(db::Executor& executor, UserId user,
                                                     std::optional<Cursor> after, int limit) {
  const db::Rows rows =
      co_await executor.execute(kListUnfinished, user, time_before(after), id_before(after), limit);
  co_return rows.all(upload_from_row);
}

asio::awaitable<std::optional<Removed>> remove(db::Executor& executor, UserId user, UploadId id,
                                               bool receiving) {
  const db::Rows rows = co_await executor.execute(kRemove, user, id, receiving);
  co_return rows.optional(
      [](const db::Row& row) { return Removed{row.get<std::optional<BlobId>>("file")}; });
}

asio::awaitable<std::optional<Claimed>> claim_unpaid(db::Executor& executor, UserId user,
                                                     UploadId id, int lease_seconds,
                                                     int keep_seconds) {
  const db::Rows rows =
      co_await executor.execute(kClaimUnpaid, user, id, lease_seconds, keep_seconds);
  co_return rows.optional(claimed_from_row);
}

db::Command wait_for_payment(UploadId id, int frames, Tokens cost,
                             std::optional<std::string> problem, int keep_seconds) {
  return db::command(kWaitForPayment, id, frames, cost, problem, keep_seconds);
}

asio::awaitable<std::optional<Upload>> find(db::Executor& executor, UserId user, UploadId id) {
  const db::Rows rows = co_await executor.execute(kFind, user, id);
  co_return rows.optional(upload_from_row);
}

asio::awaitable<std::optional<Claimed>> claim(db::Executor& executor, int lease_seconds) {
  const db::Rows rows = co_await executor.execute(kClaim, lease_seconds);
  co_return rows.optional(claimed_from_row);
}

asio::awaitable<void> renew(db::Executor& executor, UploadId id, int fence, int lease_seconds) {
  co_await executor.execute(kRenew, id, fence, lease_seconds);
}

asio::awaitable<std::optional<Open>> lock_open(db::Transaction& transaction, UploadId id,
                                               int fence) {
  const db::Rows rows = co_await transaction.execute(kLockOpen, id, fence);
  co_return rows.optional([](const db::Row& row) {
    return Open{row.get<bool>("confirm"), row.get<std::optional<Tokens>>("cost")};
  });
}

db::Command accept(UploadId id, const std::vector<VideoId>& videos, int frames, Tokens cost) {
  return db::command(kAccept, id, videos, frames, cost);
}

db::Command refuse(UploadId id, const std::string& problem) {
  return db::command(kRefuse, id, problem);
}

asio::awaitable<std::int64_t> delete_expired(db::Executor& executor) {
  const db::Rows rows = co_await executor.execute(kDeleteExpired);
  co_return rows.affected();
}

}  // namespace infernode::upload_dao
