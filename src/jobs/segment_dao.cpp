#include "jobs/segment_dao.hpp"

#include "core/json.hpp"

namespace infernode::segment_dao {
namespace {

using db::Statement;

constexpr Statement kInsert{"segments.insert", R"sql(
  INSERT INTO "Segments" ("job_id", "position", "kind", "start_frame", "end_frame", "images", "state")
  SELECT $1::uuid, (ordinality - 1)::integer, 'FRAMES'::"enum_Segments_kind", start_frame, end_frame,
         images, 'PENDING'::"enum_Segments_state"
    FROM unnest($2::integer[], $3::integer[], $4::integer[])
         WITH ORDINALITY AS plan (start_frame, end_frame, images, ordinality)
  UNION ALL
  SELECT $1, cardinality($2::integer[]), 'ASSEMBLY', 0, 0, 0, 'BLOCKED'
   ORDER BY 2
)sql"};
constexpr Statement kClaim{"segments.claim", R"sql(
  WITH next AS (
    SELECT "id" FROM "Segments"
     WHERE "state" IN ('PENDING', 'LEASED') AND "claimable_at" <= now()
     ORDER BY "id" LIMIT 1 FOR UPDATE SKIP LOCKED
  ), claimed AS (
    UPDATE "Segments" AS segment
       SET "state" = 'LEASED', "lease_token" = $1, "worker" = $2, "attempts" = "attempts" + 1,
           "progress" = 0, "claimable_at" = now() + make_interval(secs => $3)
      FROM next WHERE segment."id" = next."id"
    RETURNING segment."id", segment."job_id", segment."kind", segment."start_frame",
              segment."end_frame", segment."attempts"
  )
  SELECT claimed."id", claimed."job_id", claimed."kind", claimed."start_frame",
         claimed."end_frame", claimed."attempts", job."user_id", job."video_id", job."params",
         job."started_at", job."images", video."file", blob."size",
         encode(blob."sha256", 'hex') AS sha256, video."width", video."height", video."fps",
         video."frame_count"
    FROM claimed
    JOIN "InferenceJobs" AS job ON job."id" = claimed."job_id"
    JOIN "Videos" AS video ON video."id" = job."video_id"
    JOIN "Blobs" AS blob ON blob."id" = video."file"
)sql"};
constexpr Statement kRenewIfLeased{"segments.renew_if_leased", R"sql(
  UPDATE "Segments"
     SET "claimable_at" = now() + make_interval(secs => $3), "progress" = $4
   WHERE "id" = $1 AND "lease_token" = $2
)sql"};
constexpr Statement kCompleteIfLeased{"segments.complete_if_leased", R"sql(
  UPDATE "Segments"
     SET "state" = 'DONE', "lease_token" = NULL, "processed" = $3, "skipped" = $4, "failed" = $5,
         "outcome" = $6, "images_blob" = $7, "images_size" = $8, "frames_blob" = $9,
         "frames_size" = $10, "zip_index" = $11
   WHERE "id" = $1 AND "lease_token" = $2
)sql"};
constexpr Statement kReleaseIfLeased{"segments.release_if_leased", R"sql(
  UPDATE "Segments"
     SET "state" = 'PENDING', "lease_token" = NULL, "error" = $5, "progress" = 0,
         "claimable_at" = now() + make_interval(secs => $3),
         "attempts" = "attempts" - CASE WHEN $4::boolean THEN 1 ELSE 0 END
   WHERE "id" = $1 AND "lease_token" = $2
)sql"};
constexpr Statement kUnblockAssembly{"segments.unblock_assembly", R"sql(
  UPDATE "Segments" SET "state" = 'PENDING', "claimable_at" = now()
   WHERE "job_id" = $1 AND "kind" = 'ASSEMBLY' AND "state" = 'BLOCKED'
)sql"};
constexpr Statement kCancelAll{"segments.cancel_all", R"sql(
  UPDATE "Segments" SET "state" = 'CANCELLED', "lease_token" = NULL
   WHERE "job_id" = $1 AND "state" IN ('BLOCKED', 'PENDING', 'LEASED')
)sql"};
// The segments let go of them at once: otherwise the sweep, which locks the blob first and then
// whoever refers to it, could wait in a circle with a deletion that comes from the other side.
constexpr Statement kForgetOutputs{"segments.forget_outputs", R"sql(
  UPDATE "Segments" SET "images_blob" = NULL, "frames_blob" = NULL WHERE "job_id" = $1
)sql"};
constexpr Statement kExpireOutputs{"segments.expire_outputs", R"sql(
  UPDATE "Blobs" SET "expires_at" = now()
   WHERE "id" IN (SELECT "images_blob" FROM "Segments" WHERE "job_id" = $1
                  UNION ALL SELECT "frames_blob" FROM "Segments" WHERE "job_id" = $1)
)sql"};
constexpr Statement kListFinished{"segments.list_finished", R"sql(
  SELECT "start_frame", "end_frame", "processed", "skipped", "failed", "outcome", "images_blob",
         "images_size", "frames_blob", "frames_size"
    FROM "Segments" WHERE "job_id" = $1 AND "kind" = 'FRAMES' AND "state" = 'DONE'
   ORDER BY "position"
)sql"};
constexpr Statement kFindIndex{"segments.find_index", R"sql(
  SELECT segment."zip_index",
         (SELECT coalesce(sum(earlier."images_size"), 0) FROM "Segments" AS earlier
           WHERE earlier."job_id" = $1 AND earlier."position" < segment."position") AS base
    FROM "Segments" AS segment
   WHERE segment."job_id" = $1 AND segment."kind" = 'FRAMES'
     AND segment."start_frame" <= $2 AND segment."end_frame" > $2
     AND segment."zip_index" IS NOT NULL
)sql"};

template <class Member>
std::string int_array(const std::vector<SegmentPlan>& segments, Member member) {
  std::string literal = "{";
  for (const auto& segment : segments) {
    literal += (literal.size() > 1 ? "," : "") + std::to_string(segment.*member);
  }
  return literal + "}";
}

}  // namespace

asio::awaitable<void> insert(db::Connection& connection, JobId job,
                             std::vector<SegmentPlan> segments) {
  const std::string starts = int_array(segments, &SegmentPlan::start_frame);
  const std::string ends = int_array(segments, &SegmentPlan::end_frame);
  const std::string images = int_array(segments, &SegmentPlan::images);
  co_await connection.execute(kInsert, job, starts, ends, images);
}

asio::awaitable<std::optional<ClaimedSegment>> claim(db::Connection& connection, LeaseToken lease,
                                                     std::string worker, int lease_seconds) {
  const db::Rows rows = co_await connection.execute(kClaim, lease, worker, lease_seconds);
  if (rows.empty()) {
    co_return std::nullopt;
  }
  const db::Row row = rows.one();
  ClaimedSegment segment{.id = row.get<std::int64_t>("id"),
                         .lease = lease,
                         .job = row.get<JobId>("job_id"),
                         .user = row.get<UserId>("user_id"),
                         .video = row.get<VideoId>("video_id"),
                         .kind = row.get<std::string_view>("kind") == "FRAMES"
                                     ? SegmentKind::frames
                                     : SegmentKind::assembly,
                         .start_frame = row.get<int>("start_frame"),
                         .end_frame = row.get<int>("end_frame"),
                         .attempts = row.get<int>("attempts"),
                         .params = boost::json::parse(row.get<std::string>("params")),
                         .started_at = row.get<std::optional<Timestamp>>("started_at"),
                         .images = row.get<int>("images"),
                         .file = row.get<BlobId>("file"),
                         .file_bytes = row.get<std::int64_t>("size"),
                         .file_sha256 = row.get<std::string>("sha256"),
                         .width = row.get<int>("width"),
                         .height = row.get<int>("height"),
                         .fps = row.get<double>("fps"),
                         .frame_count = row.get<int>("frame_count")};
  co_return segment;
}

asio::awaitable<bool> renew_if_leased(db::Connection& connection, std::int64_t id, LeaseToken lease,
                                      int lease_seconds, int progress) {
  const db::Rows rows =
      co_await connection.execute(kRenewIfLeased, id, lease, lease_seconds, progress);
  co_return rows.affected() == 1;
}

asio::awaitable<bool> complete_if_leased(db::Connection& connection, std::int64_t id,
                                         LeaseToken lease, SegmentOutcome outcome) {
  const std::string details = json_text(outcome.details);
  std::optional<db::Bytes> index;
  if (outcome.images) {
    index = db::Bytes{outcome.zip_index};
  }
  const db::Rows rows = co_await connection.execute(
      kCompleteIfLeased, id, lease, outcome.processed, outcome.skipped, outcome.failed, details,
      outcome.images, outcome.images_bytes, outcome.frames, outcome.frames_bytes, index);
  co_return rows.affected() == 1;
}

asio::awaitable<bool> release_if_leased(db::Connection& connection, std::int64_t id,
                                        LeaseToken lease, int delay_seconds, bool uncounted,
                                        std::optional<std::string> error) {
  const db::Rows rows =
      co_await connection.execute(kReleaseIfLeased, id, lease, delay_seconds, uncounted, error);
  co_return rows.affected() == 1;
}

asio::awaitable<void> unblock_assembly(db::Connection& connection, JobId job) {
  co_await connection.execute(kUnblockAssembly, job);
}

asio::awaitable<void> cancel_all(db::Connection& connection, JobId job) {
  co_await connection.execute(kCancelAll, job);
}

asio::awaitable<void> expire_outputs(db::Connection& connection, JobId job) {
  // Blobs before segments, against the usual order: the caller holds the job, which guards these
  // segments.
  co_await connection.execute(kExpireOutputs, job);
  co_await connection.execute(kForgetOutputs, job);
}

asio::awaitable<std::vector<FinishedSegment>> list_finished(db::Connection& connection, JobId job) {
  const db::Rows rows = co_await connection.execute(kListFinished, job);
  std::vector<FinishedSegment> segments;
  for (int i = 0; i < rows.size(); ++i) {
    const db::Row row = rows[i];
    FinishedSegment segment;
    segment.start_frame = row.get<int>("start_frame");
    segment.end_frame = row.get<int>("end_frame");
    segment.outcome.processed = row.get<int>("processed");
    segment.outcome.skipped = row.get<int>("skipped");
    segment.outcome.failed = row.get<int>("failed");
    segment.outcome.details = boost::json::parse(row.get<std::string>("outcome")).as_object();
    segment.outcome.joules = boost::json::value_to<double>(segment.outcome.details.at("joules"));
    segment.outcome.images = row.get<std::optional<BlobId>>("images_blob");
    segment.outcome.images_bytes = row.get<std::int64_t>("images_size");
    segment.outcome.frames = row.get<std::optional<BlobId>>("frames_blob");
    segment.outcome.frames_bytes = row.get<std::int64_t>("frames_size");
    segments.push_back(std::move(segment));
  }
  co_return segments;
}

asio::awaitable<std::optional<IndexPart>> find_index(db::Connection& connection, JobId job,
                                                     int frame) {
  const db::Rows rows = co_await connection.execute(kFindIndex, job, frame);
  if (rows.empty()) {
    co_return std::nullopt;
  }
  IndexPart part{rows.one().get<std::vector<std::byte>>("zip_index"),
                 rows.one().get<std::int64_t>("base")};
  co_return part;
}

}  // namespace infernode::segment_dao
