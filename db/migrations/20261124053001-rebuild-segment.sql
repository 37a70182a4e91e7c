-- migrate:up
-- What a segment needs is in its row: where decoding starts (NULL: at the beginning), and what a
-- worker must offer to work on it, such as 'pipeline:detect', 'model:centernet'
-- or 'device:cuda'.
ALTER TABLE "Segments"
  ADD COLUMN "keyframe_frame" INTEGER,
  ADD COLUMN "keyframe_pts"   BIGINT,
  ADD COLUMN "keyframe_dts"   BIGINT,
  ADD COLUMN "needs"          TEXT[] NOT NULL DEFAULT '{}',
  -- How often whoever held it never came back. That is no attempt of the segment's.
  ADD COLUMN "losses"         INTEGER NOT NULL DEFAULT 0,
  ADD CONSTRAINT "Segments_keyframe" CHECK (("keyframe_frame" IS NULL) = ("keyframe_pts" IS NULL));
ALTER TABLE "Segments" SET (autovacuum_vacuum_scale_factor = 0.02, fillfactor = 85);

-- Each keyframe stands for the frames from its own up to the next one's.
WITH video_rows AS (
  SELECT job."id" AS job_id, video."keyframes"
    FROM "InferenceJobs" AS job JOIN "Videos" AS video ON video."id" = job."video_id"
   WHERE job."status" IN ('PENDING', 'RUNNING')
), keyframe AS (
  SELECT job_id, (entry->>0)::integer AS frame, (entry->>1)::bigint AS pts,
         lead((entry->>0)::integer, 1, 2147483647)
           OVER (PARTITION BY job_id ORDER BY (entry->>0)::integer) AS next_frame
    FROM (SELECT job_id, json_array_elements("keyframes") AS entry FROM video_rows) AS entries
)
UPDATE "Segments" AS segment
   SET "keyframe_frame" = keyframe.frame, "keyframe_pts" = keyframe.pts
  FROM keyframe
 WHERE keyframe.job_id = segment."job_id" AND keyframe.frame > 0
   AND segment."kind" = 'FRAMES' AND segment."state" IN ('PENDING', 'LEASED')
   AND segment."start_frame" >= keyframe.frame AND segment."start_frame" < keyframe.next_frame;
UPDATE "Segments" AS segment
   SET "needs" = ARRAY['pipeline:' || (job."params"->>'pipeline'), 'model:' || (job."params"->>'model')]
                 || CASE WHEN job."params"->>'device' IN ('cpu', 'cuda')
                         THEN ARRAY['device:' || (job."params"->>'device')] ELSE '{}' END
  FROM "InferenceJobs" AS job
 WHERE job."id" = segment."job_id" AND segment."kind" = 'FRAMES'
   AND segment."state" IN ('PENDING', 'LEASED');

-- What is asked about a job that runs costs the same whatever the number of its segments.
CREATE INDEX "Segments_leased" ON "Segments" ("job_id") WHERE "state" = 'LEASED';
CREATE INDEX "Segments_blocked" ON "Segments" ("job_id") WHERE "state" = 'BLOCKED';
CREATE INDEX "Segments_waiting" ON "Segments" ("job_id", "position") WHERE "state" = 'PENDING';

-- A job ends at once, whatever the number of its segments; what they stored is freed behind it
-- (outputs_left), and they themselves go after a while (cleared_at).
ALTER TABLE "InferenceJobs"
  ADD COLUMN "outputs_left" BOOLEAN NOT NULL DEFAULT false,
  ADD COLUMN "cleared_at"   TIMESTAMPTZ;
CREATE INDEX "InferenceJobs_outputs_left" ON "InferenceJobs" ("id") WHERE "outputs_left";
CREATE INDEX "InferenceJobs_uncleared" ON "InferenceJobs" ("finished_at")
  WHERE "finished_at" IS NOT NULL AND "cleared_at" IS NULL;

-- migrate:down
-- What is done behind the end of a job, since nobody will do it any more.
UPDATE "Blobs" SET "expires_at" = now()
 WHERE "id" IN (SELECT unnest(ARRAY[segment."images_blob", segment."frames_blob"])
                  FROM "Segments" AS segment JOIN "InferenceJobs" AS job ON job."id" = segment."job_id"
                 WHERE job."outputs_left");
UPDATE "Segments" AS segment SET "images_blob" = NULL, "frames_blob" = NULL
  FROM "InferenceJobs" AS job WHERE job."id" = segment."job_id" AND job."outputs_left";
UPDATE "Segments" AS segment
   SET "state" = 'CANCELLED', "lease_token" = NULL
  FROM "InferenceJobs" AS job
 WHERE job."id" = segment."job_id" AND job."finished_at" IS NOT NULL
   AND segment."state" IN ('BLOCKED', 'PENDING', 'LEASED');
DROP INDEX "InferenceJobs_uncleared";
DROP INDEX "InferenceJobs_outputs_left";
ALTER TABLE "InferenceJobs"
  DROP COLUMN "outputs_left",
  DROP COLUMN "cleared_at";
DROP INDEX "Segments_waiting";
DROP INDEX "Segments_blocked";
DROP INDEX "Segments_leased";
ALTER TABLE "Segments" RESET (autovacuum_vacuum_scale_factor, fillfactor);
ALTER TABLE "Segments"
  DROP CONSTRAINT "Segments_keyframe",
  DROP COLUMN "losses",
  DROP COLUMN "needs",
  DROP COLUMN "keyframe_dts",
  DROP COLUMN "keyframe_pts",
  DROP COLUMN "keyframe_frame";
