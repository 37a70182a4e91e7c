-- migrate:up
-- How far the assembly of a job's result has come: everything of the segments before `position` is in
-- these blobs. Each step moves its segments' parts and this row in one transaction, so an assembly
-- that is interrupted goes on where it was. No foreign keys on the blobs: each would be one more
-- look-up for every blob that is deleted; the sweep asks this table instead.
CREATE TABLE "Assemblies" (
  "job_id"         UUID PRIMARY KEY REFERENCES "InferenceJobs" ("id") ON UPDATE CASCADE ON DELETE CASCADE,
  "position"       INTEGER NOT NULL DEFAULT 0,
  "images_blob"    UUID NOT NULL,
  "images_size"    BIGINT NOT NULL DEFAULT 0,
  "frames_blob"    UUID NOT NULL,
  "frames_size"    BIGINT NOT NULL DEFAULT 0,
  -- The ZIP's directory, which is put behind the images in the end, and the index by frame.
  "directory_blob" UUID NOT NULL,
  "directory_size" BIGINT NOT NULL DEFAULT 0,
  "index_blob"     UUID NOT NULL,
  "index_size"     BIGINT NOT NULL DEFAULT 0,
  "entries"        BIGINT NOT NULL DEFAULT 0,
  -- What the segments add up to.
  "totals"         JSON NOT NULL DEFAULT '{}'
);

CREATE FUNCTION "free_assembly_blobs"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE "Blobs" SET "expires_at" = now()
   WHERE "expires_at" IS NOT NULL AND "expires_at" > '-infinity'
     AND "id" IN (OLD."images_blob", OLD."frames_blob", OLD."directory_blob", OLD."index_blob");
  RETURN NULL;
END $$;
CREATE TRIGGER "Assemblies_free_blobs" AFTER DELETE ON "Assemblies"
  FOR EACH ROW EXECUTE FUNCTION "free_assembly_blobs"();

-- Where each image lies in the ZIP: an entry of 20 bytes an image, by frame (see image_index.hpp).
-- NULL for results made before, whose segments say it.
ALTER TABLE "Results" ADD COLUMN "image_index" UUID REFERENCES "Blobs" ("id") ON UPDATE CASCADE;
CREATE INDEX "Results_image_index" ON "Results" ("image_index");
CREATE OR REPLACE FUNCTION "free_result_blobs"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE "Blobs" SET "expires_at" = now()
   WHERE "id" IN (OLD."image_zip", OLD."frames", OLD."image_index");
  RETURN NULL;
END $$;

-- migrate:down
-- The assembler of before knows nothing of what is put together already, and would leave it out.
DO $$ BEGIN
  IF EXISTS (SELECT FROM "Assemblies") THEN
    RAISE EXCEPTION 'results are being put together: let them end, or abort their jobs, and try again';
  END IF;
END $$;
UPDATE "Blobs" SET "expires_at" = now() WHERE "id" IN (SELECT "image_index" FROM "Results");
CREATE OR REPLACE FUNCTION "free_result_blobs"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE "Blobs" SET "expires_at" = now() WHERE "id" IN (OLD."image_zip", OLD."frames");
  RETURN NULL;
END $$;
DROP INDEX "Results_image_index";
ALTER TABLE "Results" DROP COLUMN "image_index";
DROP TABLE "Assemblies";
DROP FUNCTION "free_assembly_blobs"();
