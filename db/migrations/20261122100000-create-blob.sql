-- migrate:up
-- A BYTEA value ends at 1 GiB and passes through memory whole, so long binary content is a blob:
-- any number of chunks, each read and written alone. expires_at is NULL while something refers to
-- the blob; otherwise the blob may be swept after that moment (an upload that was cut off, the file
-- of a deleted video).
CREATE TABLE "Blobs" (
  "id"         UUID PRIMARY KEY,
  "size"       BIGINT NOT NULL DEFAULT 0 CHECK ("size" >= 0),
  "sha256"     BYTEA CHECK (length("sha256") = 32),
  "created_at" TIMESTAMPTZ NOT NULL DEFAULT now(),
  "expires_at" TIMESTAMPTZ
);

CREATE INDEX "Blobs_expires_at" ON "Blobs" ("expires_at") WHERE "expires_at" IS NOT NULL;

CREATE TABLE "BlobChunks" (
  "blob_id" UUID NOT NULL REFERENCES "Blobs" ("id") ON UPDATE CASCADE ON DELETE CASCADE,
  "start"   BIGINT NOT NULL CHECK ("start" >= 0),
  "bytes"   BYTEA NOT NULL,
  PRIMARY KEY ("blob_id", "start")
);

-- Video does not compress, and an uncompressed value can be read in slices.
ALTER TABLE "BlobChunks" ALTER COLUMN "bytes" SET STORAGE EXTERNAL;

ALTER TABLE "Videos" ADD CONSTRAINT "Videos_file_fkey"
  FOREIGN KEY ("file") REFERENCES "Blobs" ("id") ON UPDATE CASCADE;
ALTER TABLE "Results" ADD CONSTRAINT "Results_image_zip_fkey"
  FOREIGN KEY ("image_zip") REFERENCES "Blobs" ("id") ON UPDATE CASCADE;
CREATE UNIQUE INDEX "Videos_file" ON "Videos" ("file");

-- The result document is stored as its head (json_res) and, since it grows with the video, its
-- frames as a blob of JSON text.
ALTER TABLE "Results" ADD COLUMN "frames" UUID REFERENCES "Blobs" ("id") ON UPDATE CASCADE;

-- Deleting a blob looks for whoever refers to it.
CREATE INDEX "Results_image_zip" ON "Results" ("image_zip");
CREATE INDEX "Results_frames" ON "Results" ("frames");

CREATE FUNCTION "free_video_blobs"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE "Blobs" SET "expires_at" = now() WHERE "id" = OLD."file";
  RETURN NULL;
END $$;
CREATE TRIGGER "Videos_free_blobs" AFTER DELETE ON "Videos"
  FOR EACH ROW EXECUTE FUNCTION "free_video_blobs"();

CREATE FUNCTION "free_result_blobs"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE "Blobs" SET "expires_at" = now() WHERE "id" IN (OLD."image_zip", OLD."frames");
  RETURN NULL;
END $$;
CREATE TRIGGER "Results_free_blobs" AFTER DELETE ON "Results"
  FOR EACH ROW EXECUTE FUNCTION "free_result_blobs"();

-- migrate:down
DROP TRIGGER "Results_free_blobs" ON "Results";
DROP TRIGGER "Videos_free_blobs" ON "Videos";
DROP FUNCTION "free_result_blobs"();
DROP FUNCTION "free_video_blobs"();
DROP INDEX "Results_image_zip";
DROP INDEX "Videos_file";
ALTER TABLE "Results" DROP COLUMN "frames";
ALTER TABLE "Results" DROP CONSTRAINT "Results_image_zip_fkey";
ALTER TABLE "Videos" DROP CONSTRAINT "Videos_file_fkey";
DROP TABLE "BlobChunks";
DROP TABLE "Blobs";
