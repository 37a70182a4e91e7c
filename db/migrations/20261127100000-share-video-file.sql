-- compatible-since: 20261127090000
-- migrate:up
-- Videos of one user with the same bytes share one file, which goes with the last of them.
DROP INDEX "Videos_file";
CREATE INDEX "Videos_file" ON "Videos" ("file");
CREATE INDEX "Blobs_content" ON "Blobs" ("user_id", "sha256")
  WHERE "sha256" IS NOT NULL AND "expires_at" IS NULL;

-- The row is locked by a statement of its own: the next one sees the video of whoever held it.
CREATE OR REPLACE FUNCTION "free_video_blobs"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM "Blobs" WHERE "id" = OLD."file" FOR UPDATE;
  UPDATE "Blobs" SET "expires_at" = now()
   WHERE "id" = OLD."file" AND NOT EXISTS (SELECT FROM "Videos" WHERE "file" = OLD."file");
  RETURN NULL;
END $$;

-- Has a new video, whose file is adopted, share that of another video of its user, where one has the same
-- bytes; its own is let go. Of two that come at once the second waits, and then sees the first. The first
-- number of the lock is "SAME" in ASCII; it is the last lock but those on blobs that a transaction takes.
CREATE FUNCTION "share_video_file"(video UUID) RETURNS VOID LANGUAGE plpgsql AS $$
DECLARE
  own "Blobs";
  same UUID;
BEGIN
  SELECT blob.* INTO own FROM "Blobs" AS blob JOIN "Videos" ON "file" = blob."id" WHERE "Videos"."id" = video;
  PERFORM pg_advisory_xact_lock(1396788549, hashtext(own."user_id"::text));
  SELECT blob."id" INTO same FROM "Blobs" AS blob
   WHERE blob."user_id" = own."user_id" AND blob."sha256" = own."sha256" AND blob."size" = own."size"
     AND blob."expires_at" IS NULL AND blob."id" <> own."id"
     AND EXISTS (SELECT FROM "Videos" WHERE "file" = blob."id")
   ORDER BY blob."id" LIMIT 1 FOR UPDATE OF blob;
  IF FOUND THEN
    UPDATE "Videos" SET "file" = same WHERE "id" = video;
    UPDATE "Blobs" SET "expires_at" = now() WHERE "id" = own."id";
  END IF;
END $$;

-- migrate:down
DROP FUNCTION "share_video_file"(UUID);
-- Each gets a file of its own again.
DO $$
DECLARE
  sharing RECORD;
  part RECORD;
  fresh UUID;
  chunk UUID;
BEGIN
  FOR sharing IN
    SELECT "id", "file" FROM (
      SELECT "id", "file", row_number() OVER (PARTITION BY "file" ORDER BY "id") AS place FROM "Videos") AS videos
     WHERE place > 1
  LOOP
    fresh := gen_random_uuid();
    INSERT INTO "Blobs" ("id", "size", "sha256", "expires_at", "user_id", "counted")
    SELECT fresh, "size", "sha256", "expires_at", "user_id", "counted" FROM "Blobs" WHERE "id" = sharing."file";
    FOR part IN SELECT * FROM "BlobParts" WHERE "blob_id" = sharing."file" LOOP
      chunk := gen_random_uuid();
      INSERT INTO "BlobParts" ("blob_id", "start", "size", "chunk") VALUES (fresh, part."start", part."size", chunk);
      INSERT INTO "Chunks" ("id", "bytes") SELECT chunk, "bytes" FROM "Chunks" WHERE "id" = part."chunk";
    END LOOP;
    INSERT INTO "BlobChunks" ("blob_id", "start", "bytes")
    SELECT fresh, "start", "bytes" FROM "BlobChunks" WHERE "blob_id" = sharing."file";
    UPDATE "Videos" SET "file" = fresh WHERE "id" = sharing."id";
  END LOOP;
END $$;
CREATE OR REPLACE FUNCTION "free_video_blobs"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE "Blobs" SET "expires_at" = now() WHERE "id" = OLD."file";
  RETURN NULL;
END $$;
DROP INDEX "Blobs_content";
DROP INDEX "Videos_file";
CREATE UNIQUE INDEX "Videos_file" ON "Videos" ("file");
