-- migrate:up
-- What a segment needs of a worker, by number: there are few such sets, and each is a line of its own
-- that a worker either serves or does not.
CREATE TABLE "Lanes" (
  "id"    INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  "needs" TEXT[] NOT NULL UNIQUE
);

-- A user's share of the workers beside others', and limits of its own (NULL: the installation's).
ALTER TABLE "Users"
  ADD COLUMN "weight"               DOUBLE PRECISION NOT NULL DEFAULT 1
             CONSTRAINT "Users_weight" CHECK ("weight" BETWEEN 0.01 AND 100),
  ADD COLUMN "max_running_segments" INTEGER
             CONSTRAINT "Users_max_running_segments" CHECK ("max_running_segments" > 0),
  ADD COLUMN "max_open_jobs"        INTEGER
             CONSTRAINT "Users_max_open_jobs" CHECK ("max_open_jobs" >= 0);

-- Among a user's own jobs the one of higher priority goes first.
ALTER TABLE "InferenceJobs"
  ADD COLUMN "priority" SMALLINT NOT NULL DEFAULT 0
             CONSTRAINT "InferenceJobs_priority" CHECK ("priority" BETWEEN -10 AND 10);

-- Whose turn it is: one row a user whose segments wait, or waited a moment ago. Workers take the row of
-- the lowest pass, and the pass grows with each segment by the stride, which is less for more weight
-- (start-time fair queueing: Goyal, Vin and Cheng, SIGCOMM 1996).
CREATE TABLE "Turns" (
  "user_id"     UUID NOT NULL REFERENCES "Users" ("id") ON UPDATE CASCADE ON DELETE CASCADE,
  "pass"        BIGINT NOT NULL,
  "stride"      BIGINT NOT NULL CHECK ("stride" > 0),
  "max_running" INTEGER,                        -- segments at once; NULL: any number
  "parked"      BOOLEAN NOT NULL DEFAULT false, -- has as many under way as it may
  -- The lanes in which segments wait, and how far each has come: everything of it lies behind
  -- (rank, id). So nobody looks again at what was claimed before, however long its dead rows stay.
  "lanes"       INTEGER[] NOT NULL,
  "ranks"       SMALLINT[] NOT NULL,
  "afters"      BIGINT[] NOT NULL,
  -- One row a user is what join_line() sees to. A key of the user alone would look at every dead
  -- version of its row with each claim; of this one each version has another.
  PRIMARY KEY ("user_id", "pass"),
  CHECK (cardinality("lanes") = cardinality("ranks") AND cardinality("lanes") = cardinality("afters"))
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
CREATE INDEX "Turns_waiting" ON "Turns" ("pass") WHERE "lanes" <> '{}' AND NOT "parked";
CREATE INDEX "Turns_parked" ON "Turns" ("user_id") WHERE "parked";
CREATE INDEX "Turns_idle" ON "Turns" ("pass") WHERE "lanes" = '{}' AND NOT "parked";

-- The pass of whoever was served last. A sequence, since it is no part of any transaction: whoever
-- comes anew begins half a stride behind it, in the middle of the others of the same weight, and with
-- no claim from the time before.
CREATE SEQUENCE "turn_clock" MINVALUE 0 START 0;

ALTER TABLE "Segments"
  ADD COLUMN "user_id" UUID,      -- of the job
  ADD COLUMN "lane"    INTEGER,   -- what it needs
  ADD COLUMN "rank"    SMALLINT NOT NULL DEFAULT 0,  -- of the job: its priority, negated
  -- Claimed before everything else: what was given back or lost, and what puts a result together.
  ADD COLUMN "urgent"  BOOLEAN NOT NULL DEFAULT false;
INSERT INTO "Lanes" ("needs")
SELECT DISTINCT "needs" FROM "Segments" WHERE "state" IN ('BLOCKED', 'PENDING', 'LEASED');
UPDATE "Segments" AS segment
   SET "user_id" = job."user_id", "lane" = lane."id",
       "urgent" = segment."kind" = 'ASSEMBLY' OR segment."attempts" > 0
  FROM "InferenceJobs" AS job, "Lanes" AS lane
 WHERE job."id" = segment."job_id" AND lane."needs" = segment."needs"
   AND segment."state" IN ('BLOCKED', 'PENDING', 'LEASED');
-- "needs" stays, and stays empty, for the way back: a column cannot be put back where it was.
ALTER TABLE "Segments"
  ADD CONSTRAINT "Segments_queued" CHECK (
    "state" NOT IN ('BLOCKED', 'PENDING', 'LEASED') OR ("user_id" IS NOT NULL AND "lane" IS NOT NULL)),
  SET (autovacuum_vacuum_insert_scale_factor = 0.1);
INSERT INTO "Turns" ("user_id", "pass", "stride", "lanes", "ranks", "afters")
SELECT "user_id", 0, 1000000, array_agg("lane"), array_agg(0::smallint), array_agg(0::bigint)
  FROM (SELECT DISTINCT "user_id", "lane" FROM "Segments"
         WHERE "state" = 'PENDING' AND NOT "urgent") AS waiting
 GROUP BY "user_id";

DROP INDEX "Segments_open";
CREATE INDEX "Segments_line" ON "Segments" ("user_id", "lane", "rank", "id")
  WHERE "state" = 'PENDING' AND NOT "urgent";
CREATE INDEX "Segments_urgent" ON "Segments" ("lane", "claimable_at")
  WHERE "state" = 'PENDING' AND "urgent";
CREATE INDEX "Segments_lease" ON "Segments" ("claimable_at") WHERE "state" = 'LEASED';
DROP INDEX "Segments_leased";
CREATE INDEX "Segments_leased" ON "Segments" ("user_id", "job_id") WHERE "state" = 'LEASED';
-- Most segments, most of the time, have none.
DROP INDEX "Segments_images_blob";
DROP INDEX "Segments_frames_blob";
CREATE INDEX "Segments_images_blob" ON "Segments" ("images_blob") WHERE "images_blob" IS NOT NULL;
CREATE INDEX "Segments_frames_blob" ON "Segments" ("frames_blob") WHERE "frames_blob" IS NOT NULL;
CREATE INDEX "InferenceJobs_pending" ON "InferenceJobs" ("id") WHERE "status" = 'PENDING';

CREATE FUNCTION "lane_of"("wanted" TEXT[]) RETURNS INTEGER LANGUAGE plpgsql AS $$
DECLARE
  "found" INTEGER;
BEGIN
  SELECT "id" INTO "found" FROM "Lanes" WHERE "needs" = "wanted";
  WHILE "found" IS NULL LOOP
    INSERT INTO "Lanes" ("needs") VALUES ("wanted") ON CONFLICT DO NOTHING RETURNING "id" INTO "found";
    IF "found" IS NULL THEN
      SELECT "id" INTO "found" FROM "Lanes" WHERE "needs" = "wanted";
    END IF;
  END LOOP;
  RETURN "found";
END $$;

-- Puts a user into the line, or lets it stay there: segments of this rank wait in `new_lanes`, each
-- behind the id in `new_afters`. `most_running`: unless the user has a limit of its own. Others who add
-- work for the same user wait until this transaction ends.
CREATE FUNCTION "join_line"("who" UUID, "new_rank" SMALLINT, "new_lanes" INTEGER[],
                            "new_afters" BIGINT[], "most_running" INTEGER)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  "turn"     "Turns"%ROWTYPE;
  "its"      RECORD;
  "position" INTEGER;
  "waited"   BOOLEAN;
BEGIN
  SELECT round(1000000 / "weight")::bigint AS stride,
         coalesce("max_running_segments", "most_running") AS max_running
    INTO "its" FROM "Users" WHERE "id" = "who";
  -- As POST /jobs has done before: nobody else adds the user's row.
  PERFORM pg_advisory_xact_lock(1246711379, hashtext("who"::text));
  SELECT * INTO "turn" FROM "Turns" WHERE "user_id" = "who" ORDER BY "pass" DESC LIMIT 1 FOR UPDATE;
  IF NOT FOUND THEN
    INSERT INTO "Turns" ("user_id", "pass", "stride", "lanes", "ranks", "afters")
    VALUES ("who", 0, "its"."stride", '{}', '{}', '{}') RETURNING * INTO "turn";
  END IF;
  "waited" := "turn"."lanes" <> '{}';
  FOR i IN 1 .. cardinality("new_lanes") LOOP
    "position" := array_position("turn"."lanes", "new_lanes"[i]);
    IF "position" IS NULL THEN
      "turn"."lanes" := "turn"."lanes" || "new_lanes"[i];
      "turn"."ranks" := "turn"."ranks" || "new_rank";
      "turn"."afters" := "turn"."afters" || "new_afters"[i];
    ELSIF "new_rank" < "turn"."ranks"["position"] THEN
      "turn"."ranks"["position"] := "new_rank";
      "turn"."afters"["position"] := "new_afters"[i];
    END IF;
  END LOOP;
  UPDATE "Turns"
     SET "pass" = CASE WHEN "waited" THEN "turn"."pass"
                       ELSE greatest("turn"."pass",
                                     (SELECT "last_value" FROM "turn_clock") + "its"."stride" / 2) END,
         "stride" = "its"."stride", "max_running" = "its"."max_running", "lanes" = "turn"."lanes",
         "ranks" = "turn"."ranks", "afters" = "turn"."afters"
   WHERE "user_id" = "who" AND "pass" = "turn"."pass";
END $$;

-- How many segments of frames of a user are under way.
CREATE FUNCTION "running_segments"("who" UUID) RETURNS BIGINT LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN (SELECT count(*) FROM "Segments"
           WHERE "user_id" = "who" AND "state" = 'LEASED' AND "kind" = 'FRAMES');
END $$;

-- Leases a segment that waits; no row when it does no more. Waits for whoever is cancelling it.
CREATE FUNCTION "lease_segment"("wanted" BIGINT, "lease" UUID, "worker_name" TEXT, "seconds" INTEGER)
RETURNS TABLE ("id" BIGINT, "job_id" UUID, "kind" "enum_Segments_kind", "start_frame" INTEGER,
               "end_frame" INTEGER, "images" INTEGER, "attempts" INTEGER, "losses" INTEGER,
               "keyframe_frame" INTEGER, "keyframe_pts" BIGINT, "keyframe_dts" BIGINT,
               "keyframe_position" BIGINT, "keyframe_time" DOUBLE PRECISION)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
    UPDATE "Segments" AS segment
       SET "state" = 'LEASED', "lease_token" = lease, "worker" = worker_name, "progress" = 0,
           "claimable_at" = "clock"() + make_interval(secs => seconds),
           "attempts" = segment."attempts" + 1
     WHERE segment."id" = wanted AND segment."state" = 'PENDING'
    RETURNING segment."id", segment."job_id", segment."kind", segment."start_frame",
              segment."end_frame", segment."images", segment."attempts", segment."losses",
              segment."keyframe_frame", segment."keyframe_pts", segment."keyframe_dts",
              segment."keyframe_position", segment."keyframe_time";
END $$;

-- Leases the next segment that a worker with these offers can work on. Retries and assemblies first;
-- then the user whose turn it is, and its segment of the lowest rank, the oldest of these. No row:
-- nothing waits. A row without an id: ask again, things changed meanwhile. The floors are hints, from
-- what the caller saw before: what waits below them is passed over (see QueueHints).
-- A lease that is lost with a crash of PostgreSQL was never given, so its commit waits for no disk;
-- what is done under it does.
CREATE FUNCTION "claim_segment"("lease" UUID, "worker_name" TEXT, "seconds" INTEGER, "offers" TEXT[],
                                "urgent_floor" TIMESTAMPTZ, "pass_floor" BIGINT)
RETURNS TABLE ("id" BIGINT, "job_id" UUID, "kind" "enum_Segments_kind", "start_frame" INTEGER,
               "end_frame" INTEGER, "images" INTEGER, "attempts" INTEGER, "losses" INTEGER,
               "keyframe_frame" INTEGER, "keyframe_pts" BIGINT, "keyframe_dts" BIGINT,
               "keyframe_position" BIGINT, "keyframe_time" DOUBLE PRECISION, "pass" BIGINT,
               "urgent_since" TIMESTAMPTZ)
LANGUAGE plpgsql
-- However small the tables were when it was planned first: along the indexes, and no further than
-- the first row.
SET enable_seqscan TO off SET enable_bitmapscan TO off SET enable_sort TO off SET jit TO off
AS $$
#variable_conflict use_column
DECLARE
  offered INTEGER[];
  turn    RECORD;
  chosen  RECORD;
  began   BIGINT;
  now_at  BIGINT;
  emptied BOOLEAN := false;
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  SELECT array_agg(lane."id") INTO offered FROM "Lanes" AS lane WHERE lane."needs" <@ offers;
  IF offered IS NULL THEN
    RETURN;
  END IF;

  SELECT segment."id" AS next, segment."claimable_at" AS since INTO chosen
    FROM unnest(offered) AS served (lane) CROSS JOIN LATERAL (
      SELECT waiting."id", waiting."claimable_at" FROM "Segments" AS waiting
       WHERE waiting."lane" = served.lane AND waiting."state" = 'PENDING' AND waiting."urgent"
         AND waiting."claimable_at" >= urgent_floor AND waiting."claimable_at" <= "clock"()
         AND (waiting."kind" = 'ASSEMBLY'
              OR NOT EXISTS (SELECT FROM "Turns" WHERE "user_id" = waiting."user_id" AND "parked"))
         AND NOT EXISTS (SELECT FROM "InferenceJobs" AS job
                          WHERE job."id" = waiting."job_id" AND job."outputs_left")
       ORDER BY waiting."claimable_at" LIMIT 1 FOR UPDATE SKIP LOCKED) AS segment
   ORDER BY segment."claimable_at" LIMIT 1;
  IF FOUND THEN
    RETURN QUERY
      SELECT leased.*, NULL::bigint, chosen.since
        FROM "lease_segment"(chosen.next, lease, worker_name, seconds) AS leased;
    UPDATE "Turns" AS line SET "parked" = true
      FROM "Segments" AS segment
     WHERE segment."id" = chosen.next AND segment."kind" = 'FRAMES'
       AND line."user_id" = segment."user_id"
       AND "running_segments"(segment."user_id") >= line."max_running";
    RETURN;
  END IF;

  LOOP
    SELECT line.ctid AS place, line.* INTO turn FROM "Turns" AS line
     WHERE line."lanes" <> '{}' AND NOT line."parked" AND line."pass" >= pass_floor
       AND line."lanes" && offered
     ORDER BY line."pass" LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF NOT FOUND AND NOT emptied THEN
      -- Perhaps all that wait are being served at this moment: then the first of them.
      SELECT line.ctid AS place, line.* INTO turn FROM "Turns" AS line
       WHERE line."lanes" <> '{}' AND NOT line."parked" AND line."pass" >= pass_floor
         AND line."lanes" && offered
       ORDER BY line."pass" LIMIT 1 FOR UPDATE;
    END IF;
    IF NOT FOUND THEN
      -- With locks of the ones that were found empty nobody may wait for others.
      IF emptied THEN
        RETURN QUERY SELECT NULL::bigint, NULL::uuid, NULL::"enum_Segments_kind", 0, 0, 0, 0, 0, 0,
                            0::bigint, 0::bigint, 0::bigint, 0::float8, NULL::bigint,
                            NULL::timestamptz;
      END IF;
      RETURN;
    END IF;
    SELECT head."id" AS next, head."rank" AS rank, lane.n::integer AS n INTO chosen
      FROM unnest(turn."lanes", turn."ranks", turn."afters") WITH ORDINALITY AS lane (id, rank, after, n)
           CROSS JOIN LATERAL (
             SELECT waiting."id", waiting."rank" FROM "Segments" AS waiting
              WHERE waiting."user_id" = turn."user_id" AND waiting."lane" = lane.id
                AND waiting."state" = 'PENDING' AND NOT waiting."urgent"
                AND (waiting."rank", waiting."id") > (lane.rank, lane.after)
                AND NOT EXISTS (SELECT FROM "InferenceJobs" AS job
                                 WHERE job."id" = waiting."job_id" AND job."outputs_left")
              ORDER BY waiting."rank", waiting."id" LIMIT 1) AS head
     WHERE lane.id = ANY (offered)
     ORDER BY head."rank", head."id" LIMIT 1;
    IF NOT FOUND THEN
      UPDATE "Turns" AS line
         SET ("lanes", "ranks", "afters") = (
               SELECT coalesce(array_agg(lane.id), '{}'), coalesce(array_agg(lane.rank), '{}'),
                      coalesce(array_agg(lane.after), '{}')
                 FROM unnest(turn."lanes", turn."ranks", turn."afters") AS lane (id, rank, after)
                WHERE lane.id <> ALL (offered))
       WHERE line.ctid = turn.place;
      emptied := true;
      CONTINUE;
    END IF;
    RETURN QUERY
      SELECT leased.*, turn."pass", NULL::timestamptz
        FROM "lease_segment"(chosen.next, lease, worker_name, seconds) AS leased;
    CONTINUE WHEN NOT FOUND;
    SELECT "last_value" INTO now_at FROM "turn_clock";
    began := greatest(turn."pass", now_at);
    IF began > now_at THEN
      PERFORM setval('"turn_clock"', began);
    END IF;
    turn."ranks"[chosen.n] := chosen.rank;
    turn."afters"[chosen.n] := chosen.next;
    UPDATE "Turns" AS line
       SET "pass" = began + turn."stride", "ranks" = turn."ranks", "afters" = turn."afters",
           "parked" = turn."max_running" IS NOT NULL
                      AND "running_segments"(turn."user_id") >= turn."max_running"
     WHERE line.ctid = turn.place;
    RETURN;
  END LOOP;
END $$;

-- What an administrator changes counts from the next segment on.
CREATE FUNCTION "share_changed"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE "Turns"
     SET "stride" = round(1000000 / NEW."weight")::bigint,
         "max_running" = CASE WHEN NEW."max_running_segments" IS DISTINCT FROM OLD."max_running_segments"
                              THEN NEW."max_running_segments" ELSE "max_running" END
   WHERE "user_id" = NEW."id";
  RETURN NULL;
END $$;
CREATE TRIGGER "Users_share" AFTER UPDATE OF "weight", "max_running_segments" ON "Users" FOR EACH ROW
  WHEN (NEW."weight" <> OLD."weight"
        OR NEW."max_running_segments" IS DISTINCT FROM OLD."max_running_segments")
  EXECUTE FUNCTION "share_changed"();

-- migrate:down
DROP TRIGGER "Users_share" ON "Users";
DROP FUNCTION "share_changed"();
DROP FUNCTION "claim_segment"(UUID, TEXT, INTEGER, TEXT[], TIMESTAMPTZ, BIGINT);
DROP FUNCTION "lease_segment"(BIGINT, UUID, TEXT, INTEGER);
DROP FUNCTION "running_segments"(UUID);
DROP FUNCTION "join_line"(UUID, SMALLINT, INTEGER[], BIGINT[], INTEGER);
DROP FUNCTION "lane_of"(TEXT[]);
DROP INDEX "InferenceJobs_pending";
DROP INDEX "Segments_frames_blob";
DROP INDEX "Segments_images_blob";
CREATE INDEX "Segments_images_blob" ON "Segments" ("images_blob");
CREATE INDEX "Segments_frames_blob" ON "Segments" ("frames_blob");
DROP INDEX "Segments_leased";
CREATE INDEX "Segments_leased" ON "Segments" ("job_id") WHERE "state" = 'LEASED';
DROP INDEX "Segments_lease";
DROP INDEX "Segments_urgent";
DROP INDEX "Segments_line";
CREATE INDEX "Segments_open" ON "Segments" ("id") WHERE "state" IN ('PENDING', 'LEASED');
ALTER TABLE "Segments"
  DROP CONSTRAINT "Segments_queued",
  RESET (autovacuum_vacuum_insert_scale_factor);
UPDATE "Segments" AS segment SET "needs" = lane."needs"
  FROM "Lanes" AS lane WHERE lane."id" = segment."lane"
   AND segment."state" IN ('BLOCKED', 'PENDING', 'LEASED');
ALTER TABLE "Segments"
  DROP COLUMN "urgent",
  DROP COLUMN "rank",
  DROP COLUMN "lane",
  DROP COLUMN "user_id";
DROP SEQUENCE "turn_clock";
DROP TABLE "Turns";
ALTER TABLE "InferenceJobs" DROP COLUMN "priority";
ALTER TABLE "Users"
  DROP COLUMN "max_open_jobs",
  DROP COLUMN "max_running_segments",
  DROP COLUMN "weight";
DROP TABLE "Lanes";
