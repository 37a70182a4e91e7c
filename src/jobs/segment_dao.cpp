#include "jobs/segment_dao.hpp"

#include "core/json.hpp"

namespace infernode::segment_dao {
namespace {

namespace json = boost::json;
using db::Statement;

// $1 to $10: one row a segment of frames, those of a job behind each other; $11 to $13: the jobs.
// Then their user takes its place in the line.
constexpr Statement kInsert{"segments.insert", R"sql(
  WITH plan AS (
    SELECT * FROM unnest($1::uuid[], $2::integer[], $3::integer[], $4::integer[], $5::integer[],
                         $6::integer[], $7::bigint[], $8::bigint[], $9::bigint[], $10::float8[])
           AS plan (job_id, position, start_frame, end_frame, images, frame, pts, dts, byte, time)
  ), wanted AS (
    SELECT * FROM unnest($11::uuid[], $12::text[], $13::integer[]) AS job (job_id, needs, segments)
  ), lane AS MATERIALIZED (
    SELECT needs, "lane_of"(string_to_array(needs, E'\n')) AS frames,
           "lane_of"((string_to_array(needs, E'\n'))[1:1]) AS assembly
      FROM (SELECT DISTINCT needs FROM wanted ORDER BY needs) AS different
  ), added AS (
    INSERT INTO "Segments" ("job_id", "position", "kind", "start_frame", "end_frame", "images", "state",
                            "keyframe_frame", "keyframe_pts", "keyframe_dts", "keyframe_position",
                            "keyframe_time", "lane", "user_id", "rank", "urgent")
    SELECT plan.job_id, plan.position, 'FRAMES'::"enum_Segments_kind", start_frame, end_frame, images,
           'PENDING'::"enum_Segments_state", frame, pts, dts, byte, time, lane.frames, $14::uuid,
           $15::integer, false
      FROM plan JOIN wanted USING (job_id) JOIN lane USING (needs)
    UNION ALL
    SELECT job_id, segments, 'ASSEMBLY', 0, 0, 0, 'BLOCKED', NULL, NULL, NULL, NULL, NULL,
           lane.assembly, $14, $15, true
      FROM wanted JOIN lane USING (needs)
     ORDER BY 1, 2
    RETURNING "lane", "id", "urgent"
  ), first AS (
    SELECT "lane", min("id") - 1 AS after FROM added WHERE NOT "urgent" GROUP BY "lane"
  )
  SELECT "join_line"($14, $15::smallint, array_agg("lane"), array_agg(after), $16) FROM first
  HAVING count(*) > 0
)sql"};
constexpr Statement kClaim{"segments.claim", R"sql(
  SELECT * FROM "claim_segment"($1, $2, $3, $4, $5, $6)
)sql"};
constexpr Statement kFindJob{"segments.find_job", R"sql(
  SELECT job."id", job."user_id", job."video_id", job."params", job."started_at", job."images",
         video."file", blob."size", encode(blob."sha256", 'hex') AS sha256, video."width",
         video."height", video."fps", video."frame_count", video."warnings",
         frames."id" AS drawn_frames, coalesce(frames."size", 0) AS drawn_size,
         coalesce(result."json_res"->'provenance'->>'model_sha256', '') AS drawn_model
    FROM "InferenceJobs" AS job
    JOIN "Videos" AS video ON video."id" = job."video_id"
    JOIN "Blobs" AS blob ON blob."id" = video."file"
    LEFT JOIN "InferenceJobs" AS drawn ON drawn."id" = (job."params"->'redraw'->>'job_id')::uuid
                                      AND drawn."user_id" = job."user_id"
    LEFT JOIN "Results" AS result ON result."inferenceJob_id" = drawn."id"
    LEFT JOIN "Blobs" AS frames ON frames."id" = result."frames"
   WHERE job."id" = $1 AND job."status" IN ('PENDING', 'RUNNING')
)sql"};
// Whoever held it and never came back did no attempt that counts. Dead is a worker of this version
// that has not renewed its lease for a while, is silent, and whose sign of life (see
// worker_dao::sign_of_life) PostgreSQL has let go of; where another one lives under its name, as in
// a container that was started again, the lease decides. $1: 0 to leave the dead to their leases.
constexpr Statement kRecoverLost{"segments.recover_lost", R"sql(
  WITH expired AS MATERIALIZED (
    SELECT "id" FROM "Segments"
     WHERE "state" = 'LEASED' AND "claimable_at" <= "clock"()
     ORDER BY "claimable_at" LIMIT 1000 FOR UPDATE SKIP LOCKED
  ), unrenewed AS MATERIALIZED (
    SELECT "id", "worker" FROM "Segments"
     WHERE $1::float8 > 0 AND "state" = 'LEASED' AND "claimable_at" > "clock"()
       AND "claimable_at" < "clock"() + make_interval(secs => $2::integer - $1)
     ORDER BY "claimable_at" LIMIT 1000 FOR UPDATE SKIP LOCKED
  ), known AS MATERIALIZED (
    SELECT "name",
           bool_and("version" = $3 AND "heartbeat_at" < "clock"() - make_interval(secs => $1)
                    AND NOT EXISTS (
                      SELECT FROM pg_locks
                       WHERE "locktype" = 'advisory' AND "classid" = 1464816203 AND "objsubid" = 2
                         AND "objid" = (hashtext(worker."id"::text)::bigint & 4294967295)::oid)) AS dead
      FROM "Workers" AS worker WHERE "name" IN (SELECT "worker" FROM unrenewed) GROUP BY "name"
  )
  UPDATE "Segments"
     SET "state" = 'PENDING', "urgent" = true, "lease_token" = NULL, "progress" = 0,
         "claimable_at" = "clock"(), "attempts" = "attempts" - 1, "losses" = "losses" + 1
   WHERE "id" = ANY (ARRAY(
           SELECT "id" FROM expired
           UNION ALL SELECT "id" FROM unrenewed JOIN known ON "name" = "worker" AND dead))
  RETURNING pg_notify('infernode_work', '')
)sql"};
constexpr Statement kRenewIfLeased{"segments.renew_if_leased", R"sql(
  UPDATE "Segments" AS segment
     SET "claimable_at" = "clock"() + make_interval(secs => $3), "progress" = $4
    FROM "InferenceJobs" AS job
   WHERE segment."id" = $1 AND segment."lease_token" = $2
     AND job."id" = segment."job_id" AND job."status" IN ('PENDING', 'RUNNING')
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
     SET "state" = 'PENDING', "urgent" = true, "lease_token" = NULL, "error" = $5, "progress" = 0,
         "claimable_at" = "clock"() + make_interval(secs => $3),
         "attempts" = "attempts" - CASE WHEN $4::boolean THEN 1 ELSE 0 END
   WHERE "id" = $1 AND "lease_token" = $2
)sql"};
constexpr Statement kUnblockAssemblyIfLast{"segments.unblock_assembly_if_last", R"sql(
  UPDATE "Segments" SET "state" = 'PENDING', "claimable_at" = "clock"()
   WHERE "job_id" = $1 AND "state" = 'BLOCKED'
     AND EXISTS (SELECT FROM "InferenceJobs" WHERE "id" = $1 AND "segments_left" = 0)
  RETURNING pg_notify('infernode_work', '')
)sql"};
constexpr Statement kFindWaiting{"segments.find_waiting", R"sql(
  SELECT lane."needs", segment."error", segment."urgent", segment."images",
         greatest(ceil(extract(epoch FROM segment."claimable_at" - "clock"())), 0)::integer AS seconds,
         EXISTS (SELECT FROM "Workers" WHERE "offers" @> lane."needs"
                    AND "heartbeat_at" > "clock"() - make_interval(secs => $2)) AS offered,
         (SELECT min("paused") FROM "Workers" WHERE "paused" IS NOT NULL
             AND "heartbeat_at" > "clock"() - make_interval(secs => $2)) AS paused,
         CASE WHEN turn."parked" THEN turn."max_running" END AS running_limit,
         coalesce((SELECT sum(other."images" - other."done") FROM "InferenceJobs" AS other
            WHERE other."user_id" = job."user_id" AND other."status" IN ('PENDING', 'RUNNING')
              AND (-other."priority", other."created_at", other."id")
                  < (-job."priority", job."created_at", job."id")), 0) AS own_ahead
    FROM "Segments" AS segment
    JOIN "InferenceJobs" AS job ON job."id" = segment."job_id"
    JOIN "Lanes" AS lane ON lane."id" = segment."lane"
    LEFT JOIN "Turns" AS turn ON turn."user_id" = job."user_id"
   WHERE segment."job_id" = $1 AND segment."state" = 'PENDING'
     AND NOT EXISTS (SELECT FROM "Segments" AS held
                      WHERE held."user_id" = job."user_id" AND held."job_id" = $1
                        AND held."state" = 'LEASED' AND held."claimable_at" > "clock"())
   ORDER BY segment."position" LIMIT 1
)sql"};
// Of image indices in one list: in memory they and what is made of them take some ten times that.
constexpr std::int64_t kListedIndexBytes = 8 * 1024 * 1024;
constexpr Statement kListFinished{"segments.list_finished", R"sql(
  SELECT * FROM (
    SELECT "position", "processed", "skipped", "failed", "outcome", "images_blob", "images_size",
           "frames_blob", "frames_size", coalesce("zip_index", '') AS zip_index,
           sum(length("zip_index")) OVER (ORDER BY "position") - length("zip_index") AS before
      FROM "Segments"
     WHERE "job_id" = $1 AND "position" >= $2 AND "kind" = 'FRAMES' AND "state" = 'DONE'
     ORDER BY "position" LIMIT $3) AS segment
   WHERE before IS NULL OR before < $4 ORDER BY "position"
)sql"};
constexpr Statement kFindStart{"segments.find_start", R"sql(
  SELECT "keyframe_frame", "keyframe_pts", "keyframe_dts", "keyframe_position", "keyframe_time"
    FROM "Segments" WHERE "job_id" = $1 AND "position" = 0
)sql"};
constexpr Statement kForgetOutputs{"segments.forget_outputs", R"sql(
  UPDATE "Segments" SET "images_blob" = NULL, "frames_blob" = NULL
   WHERE "job_id" = $1 AND "position" >= $2 AND "position" < $3
)sql"};
constexpr Statement kFindFormerIndex{"segments.find_former_index", R"sql(
  SELECT segment."zip_index",
         (SELECT coalesce(sum(earlier."images_size"), 0) FROM "Segments" AS earlier
           WHERE earlier."job_id" = $1 AND earlier."position" < segment."position") AS base
    FROM "Segments" AS segment
   WHERE segment."job_id" = $1 AND segment."kind" = 'FRAMES'
     AND segment."start_frame" <= $2 AND segment."end_frame" > $2
     AND segment."zip_index" IS NOT NULL
)sql"};
constexpr Statement kCancel{"segments.cancel", R"sql(
  UPDATE "Segments" SET "state" = 'CANCELLED', "lease_token" = NULL WHERE "id" IN (
    SELECT "id" FROM "Segments"
     WHERE "job_id" = ANY ($1::uuid[]) AND "state" IN ('BLOCKED', 'PENDING', 'LEASED') LIMIT $2)
)sql"};
constexpr Statement kCancelSome{"segments.cancel_some", R"sql(
  UPDATE "Segments" SET "state" = 'CANCELLED', "lease_token" = NULL WHERE "id" IN (
    SELECT "id" FROM "Segments"
     WHERE "job_id" = $1 AND "state" IN ('BLOCKED', 'PENDING', 'LEASED') LIMIT $2)
)sql"};
// The segments let go of them at once: otherwise the sweep, which locks the blob first and then
// whoever refers to it, could wait in a circle with a deletion that comes from the other side.
constexpr Statement kTakeOutputs{"segments.take_outputs", R"sql(
  WITH chosen AS (
    SELECT "id", "images_blob", "frames_blob" FROM "Segments"
     WHERE "job_id" = $1 AND ("images_blob" IS NOT NULL OR "frames_blob" IS NOT NULL) LIMIT $2
  ), freed AS (
    UPDATE "Segments" AS segment SET "images_blob" = NULL, "frames_blob" = NULL
      FROM chosen WHERE segment."id" = chosen."id"
    RETURNING chosen."images_blob", chosen."frames_blob"
  )
  SELECT blob FROM freed, LATERAL (VALUES ("images_blob"), ("frames_blob")) AS each (blob)
   WHERE blob IS NOT NULL
)sql"};
constexpr Statement kDeleteSome{"segments.delete_some", R"sql(
  DELETE FROM "Segments" WHERE "id" IN (
    SELECT "id" FROM "Segments" WHERE "job_id" = $1 LIMIT $2)
)sql"};

constexpr Statement kListStates{"segments.list_states", R"sql(
  SELECT "position", "kind", "state"::text AS state, "start_frame", "end_frame", "images", "processed",
         "attempts", "losses", "worker", "error", count(*) OVER () AS count
    FROM "Segments" WHERE "job_id" = $1
   ORDER BY "error" IS NULL, "position" LIMIT $2
)sql"};

SegmentState state_from_row(const db::Row& row) {
  return {.position = row.get<int>("position"),
          .kind = row.get<SegmentKind>("kind"),
          .state = row.get<std::string>("state"),
          .start_frame = row.get<int>("start_frame"),
          .end_frame = row.get<int>("end_frame"),
          .image_count = row.get<int>("images"),
          .processed = row.get<int>("processed"),
          .attempts = row.get<int>("attempts"),
          .losses = row.get<int>("losses"),
          .worker = row.get<std::optional<std::string>>("worker"),
          .error = row.get<std::optional<std::string>>("error")};
}

std::optional<media::Keyframe> keyframe_from_row(const db::Row& row) {
  const auto frame = row.get<std::optional<int>>("keyframe_frame");
  if (!frame) {
    return std::nullopt;
  }
  return media::Keyframe{*frame, row.get<std::int64_t>("keyframe_pts"),
                         row.get<std::optional<std::int64_t>>("keyframe_dts"),
                         row.get<std::optional<std::int64_t>>("keyframe_position"),
                         row.get<std::optional<double>>("keyframe_time")};
}

ClaimedSegment claimed_from_row(const db::Row& row, LeaseToken lease) {
  ClaimedSegment segment;
  segment.id = row.get<std::int64_t>("id");
  segment.lease = lease;
  segment.job = row.get<JobId>("job_id");
  segment.kind = row.get<SegmentKind>("kind");
  segment.plan.start_frame = row.get<int>("start_frame");
  segment.plan.end_frame = row.get<int>("end_frame");
  segment.plan.image_count = row.get<int>("images");
  segment.plan.keyframe = keyframe_from_row(row);
  segment.attempts = row.get<int>("attempts");
  segment.losses = row.get<int>("losses");
  return segment;
}

Claim claim_from_row(const db::Row& row, LeaseToken lease) {
  Claim claim;
  claim.pass = row.get<std::optional<std::int64_t>>("pass");
  claim.urgent_since = row.get<std::optional<Timestamp>>("urgent_since");
  if (row.get<std::optional<std::int64_t>>("id")) {
    claim.segment = claimed_from_row(row, lease);
  }
  return claim;
}

ClaimedJob job_from_row(const db::Row& row) {
  ClaimedJob job;
  job.user = row.get<UserId>("user_id");
  job.video = row.get<VideoId>("video_id");
  job.params = json::parse(row.get<std::string>("params")).as_object();
  job.started_at = row.get<std::optional<Timestamp>>("started_at");
  job.image_count = row.get<int>("images");
  job.file = row.get<BlobId>("file");
  job.file_bytes = row.get<std::int64_t>("size");
  job.file_sha256 = row.get<std::string>("sha256");
  job.width = row.get<int>("width");
  job.height = row.get<int>("height");
  job.fps = row.get<double>("fps");
  job.frame_count = row.get<int>("frame_count");
  job.warnings = row.get<std::vector<std::string>>("warnings");
  if (const auto frames = row.get<std::optional<BlobId>>("drawn_frames")) {
    job.drawn = DrawnFrames{*frames, row.get<std::int64_t>("drawn_size"),
                            row.get<std::string>("drawn_model")};
  }
  return job;
}

FirstWaiting waiting_from_row(const db::Row& row) {
  FirstWaiting first;
  first.needs = row.get<std::vector<std::string>>("needs");
  first.offered = row.get<bool>("offered");
  first.urgent = row.get<bool>("urgent");
  first.images = row.get<int>("images");
  first.seconds = row.get<int>("seconds");
  first.error = row.get<std::optional<std::string>>("error");
  first.paused = row.get<std::optional<std::string>>("paused");
  first.running_limit = row.get<std::optional<int>>("running_limit");
  first.own_ahead = row.get<std::int64_t>("own_ahead");
  return first;
}

FinishedSegment finished_from_row(const db::Row& row) {
  FinishedSegment segment;
  segment.position = row.get<int>("position");
  auto& outcome = segment.outcome;
  outcome.processed = row.get<int>("processed");
  outcome.skipped = row.get<int>("skipped");
  outcome.failed = row.get<int>("failed");
  outcome.details = json::parse(row.get<std::string>("outcome")).as_object();
  outcome.images_blob = row.get<std::optional<BlobId>>("images_blob");
  outcome.images_bytes = row.get<std::int64_t>("images_size");
  outcome.frames_blob = row.get<std::optional<BlobId>>("frames_blob");
  outcome.frames_bytes = row.get<std::int64_t>("frames_size");
  outcome.image_index = row.get<std::vector<std::byte>>("zip_index");
  return segment;
}

}  // namespace

void insert(db::Transaction& transaction, UserId user, int priority, std::optional<int> max_running,
            const std::vector<NewSegments>& jobs) {
  std::vector<JobId> owners;
  std::vector<int> positions;
  std::vector<int> starts;
  std::vector<int> ends;
  std::vector<int> images;
  std::vector<std::optional<int>> frames;  // of their keyframes, like what follows
  std::vector<std::optional<std::int64_t>> pts;
  std::vector<std::optional<std::int64_t>> dts;
  std::vector<std::optional<std::int64_t>> bytes;
  std::vector<std::optional<double>> times;
  std::vector<JobId> ids;
  std::vector<std::string> needs;
  std::vector<int> counts;
  for (const auto& job : jobs) {
    for (const auto& segment : job.segments) {
      owners.push_back(job.job);
      positions.push_back(static_cast<int>(&segment - job.segments.data()));
      starts.push_back(segment.start_frame);
      ends.push_back(segment.end_frame);
      images.push_back(segment.image_count);
      const auto& key = segment.keyframe;
      frames.push_back(key ? std::optional{key->frame} : std::nullopt);
      pts.push_back(key ? std::optional{key->pts} : std::nullopt);
      dts.push_back(key ? key->dts : std::nullopt);
      bytes.push_back(key ? key->position : std::nullopt);
      times.push_back(key ? key->time : std::nullopt);
    }
    ids.push_back(job.job);
    std::string lines;
    for (const auto& need : job.needs) {
      lines += (lines.empty() ? "" : "\n") + need;
    }
    needs.push_back(std::move(lines));
    counts.push_back(static_cast<int>(job.segments.size()));
  }
  transaction.queue(kInsert, owners, positions, starts, ends, images, frames, pts, dts, bytes,
                    times, ids, needs, counts, user, -priority, max_running);
}

asio::awaitable<std::optional<Claim>> claim(db::Executor& executor, LeaseToken lease,
                                            std::string worker, std::vector<std::string> offers,
                                            int lease_seconds, QueueHints hints) {
  const db::Rows rows = co_await executor.execute(kClaim, lease, worker, lease_seconds, offers,
                                                  hints.urgent_floor, hints.pass_floor);
  co_return rows.optional([lease](const db::Row& row) { return claim_from_row(row, lease); });
}

db::Command find_job(JobId id) {
  return db::command(kFindJob, id);
}

std::optional<ClaimedJob> claimed_job_from(const db::Rows& rows) {
  return rows.optional(job_from_row);
}

db::Command recover_lost(double dead_seconds, int lease_seconds, std::string_view version) {
  return db::command(kRecoverLost, dead_seconds, lease_seconds, version);
}

db::Command renew_if_leased(std::int64_t id, LeaseToken lease, int lease_seconds, int progress) {
  return db::command(kRenewIfLeased, id, lease, lease_seconds, progress);
}

db::Command complete_if_leased(std::int64_t id, LeaseToken lease, const SegmentOutcome& outcome) {
  std::optional<db::Bytes> index;
  if (outcome.images_blob) {
    index = db::Bytes{outcome.image_index};
  }
  return db::command(kCompleteIfLeased, id, lease, outcome.processed, outcome.skipped,
                     outcome.failed, json_text(outcome.details), outcome.images_blob,
                     outcome.images_bytes, outcome.frames_blob, outcome.frames_bytes, index);
}

db::Command release_if_leased(std::int64_t id, LeaseToken lease, int delay_seconds, bool uncounted,
                              std::optional<std::string> error) {
  return db::command(kReleaseIfLeased, id, lease, delay_seconds, uncounted, error);
}

void unblock_assembly_if_last(db::Transaction& transaction, JobId job) {
  transaction.queue(kUnblockAssemblyIfLast, job);
}

asio::awaitable<std::optional<FirstWaiting>> find_waiting(db::Executor& executor, JobId job,
                                                          int heartbeat_seconds) {
  const db::Rows rows = co_await executor.execute(kFindWaiting, job, heartbeat_seconds);
  co_return rows.optional(waiting_from_row);
}

asio::awaitable<std::vector<FinishedSegment>> list_finished(db::Executor& executor, JobId job,
                                                            int position, int limit) {
  const db::Rows rows =
      co_await executor.execute(kListFinished, job, position, limit, kListedIndexBytes);
  co_return rows.all(finished_from_row);
}

asio::awaitable<std::optional<media::Keyframe>> find_start(db::Executor& executor, JobId job) {
  const db::Rows rows = co_await executor.execute(kFindStart, job);
  co_return rows.optional(keyframe_from_row);
}

void forget_outputs(db::Transaction& transaction, JobId job, int from, int to) {
  transaction.queue(kForgetOutputs, job, from, to);
}

asio::awaitable<std::optional<FormerIndex>> find_former_index(db::Executor& executor, JobId job,
                                                              int frame) {
  const db::Rows rows = co_await executor.execute(kFindFormerIndex, job, frame);
  co_return rows.optional([](const db::Row& row) {
    return FormerIndex{row.get<std::vector<std::byte>>("zip_index"), row.get<std::int64_t>("base")};
  });
}

void cancel(db::Transaction& transaction, const std::vector<JobId>& jobs, int limit) {
  transaction.queue(kCancel, jobs, limit);
}

asio::awaitable<int> cancel_some(db::Executor& executor, JobId job, int limit) {
  const db::Rows rows = co_await executor.execute(kCancelSome, job, limit);
  co_return static_cast<int>(rows.affected());
}

asio::awaitable<std::vector<BlobId>> take_outputs(db::Executor& executor, JobId job, int limit) {
  const db::Rows rows = co_await executor.execute(kTakeOutputs, job, limit);
  co_return rows.all([](const db::Row& row) { return row.get<BlobId>("blob"); });
}

asio::awaitable<int> delete_some(db::Executor& executor, JobId job, int limit) {
  const db::Rows rows = co_await executor.execute(kDeleteSome, job, limit);
  co_return static_cast<int>(rows.affected());
}

asio::awaitable<SegmentStates> list_states(db::Executor& executor, JobId job, int limit) {
  const db::Rows rows = co_await executor.execute(kListStates, job, limit);
  SegmentStates states;
  states.shown = rows.all(state_from_row);
  if (!rows.empty()) {
    states.count = rows[0].get<std::int64_t>("count");
  }
  co_return states;
}

}  // namespace infernode::segment_dao
