-- compatible-since: 20261126080000
-- migrate:up
-- The blob that holds the annotated video; NULL for jobs that asked for none.
ALTER TABLE "Results" ADD COLUMN "video" UUID REFERENCES "Blobs" ("id") ON UPDATE CASCADE;
CREATE INDEX "Results_video" ON "Results" ("video");
CREATE OR REPLACE FUNCTION "free_result_blobs"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE "Blobs" SET "expires_at" = now()
   WHERE "id" IN (OLD."image_zip", OLD."frames", OLD."image_index", OLD."video");
  RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION "own_result_blobs"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE "Blobs" SET "user_id" = (SELECT "user_id" FROM "InferenceJobs" WHERE "id" = NEW."inferenceJob_id")
   WHERE "id" IN (NEW."image_zip", NEW."frames", NEW."image_index", NEW."video");
  RETURN NULL;
END $$;

-- migrate:down
UPDATE "Blobs" SET "expires_at" = now() WHERE "id" IN (SELECT "video" FROM "Results");
CREATE OR REPLACE FUNCTION "own_result_blobs"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE "Blobs" SET "user_id" = (SELECT "user_id" FROM "InferenceJobs" WHERE "id" = NEW."inferenceJob_id")
   WHERE "id" IN (NEW."image_zip", NEW."frames", NEW."image_index");
  RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION "free_result_blobs"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE "Blobs" SET "expires_at" = now()
   WHERE "id" IN (OLD."image_zip", OLD."frames", OLD."image_index");
  RETURN NULL;
END $$;
DROP INDEX "Results_video";
ALTER TABLE "Results" DROP COLUMN "video";
