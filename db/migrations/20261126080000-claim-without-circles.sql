-- compatible-since: 20261125220000
-- migrate:up
-- As before, but whoever waits for a turn waits for one only. FOR UPDATE of "the first that fits" keeps
-- the lock of a row that, when its turn came, did not fit any more, and goes on to wait for the next:
-- two claims that met the rows in different order waited for each other.
CREATE OR REPLACE FUNCTION "claim_segment"(
                                "lease" UUID, "worker_name" TEXT, "seconds" INTEGER, "offers" TEXT[],
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
  first   RECORD;
  chosen  RECORD;
  began   BIGINT;
  now_at  BIGINT;
  emptied BOOLEAN := false;
  waited  BOOLEAN := false;
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
    IF NOT FOUND AND NOT emptied AND NOT waited THEN
      -- Perhaps all that wait are being served at this moment: then the first of them.
      SELECT line."user_id", line."pass" INTO first FROM "Turns" AS line
       WHERE line."lanes" <> '{}' AND NOT line."parked" AND line."pass" >= pass_floor
         AND line."lanes" && offered
       ORDER BY line."pass" LIMIT 1;
      IF FOUND THEN
        -- For that one alone: who waits comes to hold it, also where it does no longer fit. Its pass
        -- never shrinks, so the dead versions of its row are passed over.
        waited := true;
        SELECT line.ctid AS place, line.* INTO turn FROM "Turns" AS line
         WHERE line."user_id" = first."user_id" AND line."pass" >= first."pass"
           AND line."lanes" <> '{}' AND NOT line."parked" AND line."lanes" && offered
         ORDER BY line."pass" LIMIT 1 FOR UPDATE;
      END IF;
    END IF;
    IF NOT FOUND THEN
      -- With locks of the ones that were found empty nobody may wait for others.
      IF emptied OR waited THEN
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

-- migrate:down
CREATE OR REPLACE FUNCTION "claim_segment"(
                                "lease" UUID, "worker_name" TEXT, "seconds" INTEGER, "offers" TEXT[],
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
