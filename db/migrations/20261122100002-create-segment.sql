-- migrate:up
ALTER TABLE "InferenceJobs"
  ADD COLUMN "images"        INTEGER NOT NULL DEFAULT 0 CHECK ("images" >= 0),
  ADD COLUMN "done"          INTEGER NOT NULL DEFAULT 0,
  ADD COLUMN "segments_left" INTEGER NOT NULL DEFAULT 0,
  -- Tokens per image at which the job was accepted, and what the job costs after refunds.
  ADD COLUMN "price"         NUMERIC(18, 3) NOT NULL DEFAULT 0 CHECK ("price" >= 0),
  ADD COLUMN "cost"          NUMERIC(18, 3) NOT NULL DEFAULT 0 CHECK ("cost" >= 0),
  ADD COLUMN "energy_joules" DOUBLE PRECISION NOT NULL DEFAULT 0,
  ADD COLUMN "carbon_grams"  DOUBLE PRECISION NOT NULL DEFAULT 0,
  ADD COLUMN "error"         TEXT,
  ADD COLUMN "attempt"       INTEGER NOT NULL DEFAULT 1,
  ADD COLUMN "started_at"    TIMESTAMPTZ,
  ADD COLUMN "finished_at"   TIMESTAMPTZ,
  ADD CONSTRAINT "InferenceJobs_finished" CHECK (
    ("finished_at" IS NOT NULL) = ("status" IN ('COMPLETED', 'FAILED', 'ABORTED')));

-- PENDING -> RUNNING -> COMPLETED | FAILED | ABORTED, and PENDING -> ABORTED. Nothing else.
CREATE FUNCTION "check_job_status"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT (OLD."status" = NEW."status"
          OR (OLD."status" = 'PENDING' AND NEW."status" IN ('RUNNING', 'ABORTED'))
          OR (OLD."status" = 'RUNNING' AND NEW."status" IN ('COMPLETED', 'FAILED', 'ABORTED'))) THEN
    RAISE EXCEPTION 'a job cannot go from % to %', OLD."status", NEW."status"
      USING ERRCODE = 'check_violation', CONSTRAINT = 'InferenceJobs_status_transition';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER "InferenceJobs_status" BEFORE UPDATE OF "status" ON "InferenceJobs"
  FOR EACH ROW EXECUTE FUNCTION "check_job_status"();

CREATE TYPE "enum_Segments_kind" AS ENUM ('FRAMES', 'ASSEMBLY');
CREATE TYPE "enum_Segments_state" AS ENUM ('BLOCKED', 'PENDING', 'LEASED', 'DONE', 'CANCELLED');

-- The unit of work: the selected frames from start_frame up to end_frame, or the assembly of the
-- result once every other segment of the job is DONE (BLOCKED until then).
CREATE TABLE "Segments" (
  "id"           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  "job_id"       UUID NOT NULL REFERENCES "InferenceJobs" ("id") ON UPDATE CASCADE ON DELETE CASCADE,
  "position"     INTEGER NOT NULL,
  "kind"         "enum_Segments_kind" NOT NULL DEFAULT 'FRAMES',
  "start_frame"  INTEGER NOT NULL DEFAULT 0,
  "end_frame"    INTEGER NOT NULL DEFAULT 0,
  "images"       INTEGER NOT NULL DEFAULT 0,
  "state"        "enum_Segments_state" NOT NULL DEFAULT 'PENDING',
  -- PENDING: not before this moment (retries wait). LEASED: when the lease ends.
  "claimable_at" TIMESTAMPTZ NOT NULL DEFAULT now(),
  "attempts"     INTEGER NOT NULL DEFAULT 0,
  "lease_token"  UUID,
  "worker"       VARCHAR(255),
  "progress"     INTEGER NOT NULL DEFAULT 0,
  "error"        TEXT,
  -- What a finished segment brought.
  "processed"    INTEGER NOT NULL DEFAULT 0,
  "skipped"      INTEGER NOT NULL DEFAULT 0,
  "failed"       INTEGER NOT NULL DEFAULT 0,
  "outcome"      JSON,
  "images_blob"  UUID REFERENCES "Blobs" ("id") ON UPDATE CASCADE ON DELETE SET NULL,
  "images_size"  BIGINT NOT NULL DEFAULT 0,
  "frames_blob"  UUID REFERENCES "Blobs" ("id") ON UPDATE CASCADE ON DELETE SET NULL,
  "frames_size"  BIGINT NOT NULL DEFAULT 0,
  -- One entry an image: frame, offset in the segment's images, size, CRC-32 (big endian integers).
  "zip_index"    BYTEA,
  UNIQUE ("job_id", "position"),
  CHECK (("state" = 'LEASED') = ("lease_token" IS NOT NULL))
);

CREATE INDEX "Segments_open" ON "Segments" ("id") WHERE "state" IN ('PENDING', 'LEASED');
CREATE INDEX "Segments_images_blob" ON "Segments" ("images_blob");
CREATE INDEX "Segments_frames_blob" ON "Segments" ("frames_blob");

CREATE FUNCTION "free_segment_blobs"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE "Blobs" SET "expires_at" = now() WHERE "id" IN (OLD."images_blob", OLD."frames_blob");
  RETURN NULL;
END $$;
CREATE TRIGGER "Segments_free_blobs" AFTER DELETE ON "Segments"
  FOR EACH ROW EXECUTE FUNCTION "free_segment_blobs"();

-- migrate:down
DROP TABLE "Segments";
DROP FUNCTION "free_segment_blobs"();
DROP TYPE "enum_Segments_state";
DROP TYPE "enum_Segments_kind";
DROP TRIGGER "InferenceJobs_status" ON "InferenceJobs";
DROP FUNCTION "check_job_status"();
ALTER TABLE "InferenceJobs"
  DROP CONSTRAINT "InferenceJobs_finished",
  DROP COLUMN "images",
  DROP COLUMN "done",
  DROP COLUMN "segments_left",
  DROP COLUMN "price",
  DROP COLUMN "cost",
  DROP COLUMN "energy_joules",
  DROP COLUMN "carbon_grams",
  DROP COLUMN "error",
  DROP COLUMN "attempt",
  DROP COLUMN "started_at",
  DROP COLUMN "finished_at";
