-- compatible-since: 20261127110000
-- migrate:up
-- In the order in which an older server's requests take them, so that neither waits for the other.
LOCK TABLE "InferenceJobs", "Videos", "LedgerEntries", "Users" IN SHARE ROW EXCLUSIVE MODE;

-- What users used, by day (UTC) and pipeline; uploads have the pipeline 'upload'. It stays when jobs
-- and videos are deleted. Each end of a job and each upload adds a row of its own, so that nobody waits
-- for anybody; the sweep adds those of a day up, so that what is read does not grow with the jobs.
CREATE TABLE "Usage" (
  "id"       BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  "user_id"  UUID NOT NULL REFERENCES "Users" ("id") ON UPDATE CASCADE ON DELETE CASCADE,
  "day"      DATE NOT NULL,
  "pipeline" VARCHAR(255) NOT NULL,
  "frames"   BIGINT NOT NULL DEFAULT 0,
  "images"   BIGINT NOT NULL DEFAULT 0,
  "tokens"   NUMERIC NOT NULL DEFAULT 0,
  "joules"   DOUBLE PRECISION NOT NULL DEFAULT 0,
  "grams"    DOUBLE PRECISION NOT NULL DEFAULT 0,
  "folded"   BOOLEAN NOT NULL DEFAULT false
);
CREATE INDEX "Usage_user_id_day" ON "Usage" ("user_id", "day", "pipeline");
CREATE INDEX "Usage_unfolded" ON "Usage" ("user_id", "day", "pipeline") WHERE NOT "folded";

CREATE FUNCTION "use_by_job"() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO "Usage" ("user_id", "day", "pipeline", "images", "tokens", "joules", "grams")
  VALUES (NEW."user_id", (NEW."finished_at" AT TIME ZONE 'UTC')::date, left(NEW."params"->>'pipeline', 255),
          -- A job that draws again infers nothing.
          CASE WHEN NEW."params"->'redraw' IS NULL THEN NEW."done" ELSE 0 END,
          NEW."cost", NEW."energy_joules", NEW."carbon_grams");
  RETURN NULL;
END $$;
CREATE TRIGGER "InferenceJobs_use" AFTER UPDATE OF "finished_at" ON "InferenceJobs" FOR EACH ROW
  WHEN (OLD."finished_at" IS NULL AND NEW."finished_at" IS NOT NULL AND NEW."params"->>'pipeline' IS NOT NULL)
  EXECUTE FUNCTION "use_by_job"();

CREATE FUNCTION "use_by_video"() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO "Usage" ("user_id", "day", "pipeline", "frames")
  SELECT "user_id", ("clock"() AT TIME ZONE 'UTC')::date, 'upload', NEW."frame_count"
    FROM "Datasets" WHERE "id" = NEW."dataset_id";
  RETURN NULL;
END $$;
CREATE TRIGGER "Videos_use" AFTER INSERT ON "Videos" FOR EACH ROW EXECUTE FUNCTION "use_by_video"();

CREATE FUNCTION "use_by_upload"() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO "Usage" ("user_id", "day", "pipeline", "tokens")
  VALUES (NEW."user_id", (NEW."created_at" AT TIME ZONE 'UTC')::date, 'upload', -NEW."amount");
  RETURN NULL;
END $$;
CREATE TRIGGER "LedgerEntries_use" AFTER INSERT ON "LedgerEntries" FOR EACH ROW
  WHEN (NEW."kind" = 'upload') EXECUTE FUNCTION "use_by_upload"();

-- What was there before, as far as it still is.
INSERT INTO "Usage" ("user_id", "day", "pipeline", "images", "tokens", "joules", "grams")
SELECT "user_id", ("finished_at" AT TIME ZONE 'UTC')::date AS day, left("params"->>'pipeline', 255) AS pipeline,
       sum(CASE WHEN "params"->'redraw' IS NULL THEN "done" ELSE 0 END), sum("cost"), sum("energy_joules"),
       sum("carbon_grams")
  FROM "InferenceJobs" WHERE "finished_at" IS NOT NULL AND "params"->>'pipeline' IS NOT NULL
 GROUP BY "user_id", day, pipeline;
INSERT INTO "Usage" ("user_id", "day", "pipeline", "frames")
SELECT dataset."user_id", (video."created_at" AT TIME ZONE 'UTC')::date AS day, 'upload', sum(video."frame_count")
  FROM "Videos" AS video JOIN "Datasets" AS dataset ON dataset."id" = video."dataset_id"
 GROUP BY dataset."user_id", day;
INSERT INTO "Usage" ("user_id", "day", "pipeline", "tokens")
SELECT "user_id", ("created_at" AT TIME ZONE 'UTC')::date AS day, 'upload', -sum("amount")
  FROM "LedgerEntries" WHERE "kind" = 'upload' GROUP BY "user_id", day;

-- What the last jobs of a pipeline and model took, for quotes.
CREATE INDEX "InferenceJobs_history" ON "InferenceJobs"
  (("params"->>'pipeline'), ("params"->>'model'), "finished_at" DESC)
  WHERE "status" = 'COMPLETED' AND ("params"->'redraw') IS NULL;

-- migrate:down
DROP INDEX "InferenceJobs_history";
DROP TRIGGER "LedgerEntries_use" ON "LedgerEntries";
DROP FUNCTION "use_by_upload"();
DROP TRIGGER "Videos_use" ON "Videos";
DROP FUNCTION "use_by_video"();
DROP TRIGGER "InferenceJobs_use" ON "InferenceJobs";
DROP FUNCTION "use_by_job"();
DROP TABLE "Usage";
