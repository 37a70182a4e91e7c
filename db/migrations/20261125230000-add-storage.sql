-- compatible-since: 20261125220000
-- migrate:up
-- How many bytes a user may store (NULL: as many as the installation says).
ALTER TABLE "Users"
  ADD COLUMN "storage_quota" BIGINT CONSTRAINT "Users_storage_quota" CHECK ("storage_quota" >= 0);

-- Whose a blob is, and how many bytes of it count against the quota: what was reserved for an upload while
-- it arrives, the size once it belongs to a video or a result, nothing once it was let go.
ALTER TABLE "Blobs"
  ADD COLUMN "user_id" UUID,
  ADD COLUMN "counted" BIGINT NOT NULL DEFAULT 0 CONSTRAINT "Blobs_counted" CHECK ("counted" >= 0);
CREATE INDEX "Blobs_arriving" ON "Blobs" ("user_id") WHERE "expires_at" IS NOT NULL AND "user_id" IS NOT NULL;

-- What a user stores is the sum of its entries. A change is one more row, so nobody waits for anybody;
-- whoever reserves room adds them up now and then (fold_storage). No foreign key: it would lock the user.
CREATE TABLE "StorageEntries" (
  "user_id" UUID NOT NULL,
  "bytes"   BIGINT NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
CREATE INDEX "StorageEntries_user_id" ON "StorageEntries" ("user_id");

CREATE FUNCTION "set_blob_counted"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW."expires_at" IS NULL THEN
    IF NEW."user_id" IS NOT NULL THEN
      NEW."counted" := NEW."size";
    END IF;
  ELSIF NEW."expires_at" <= "clock"() THEN
    NEW."counted" := 0;
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER "Blobs_set_counted" BEFORE UPDATE ON "Blobs"
  FOR EACH ROW EXECUTE FUNCTION "set_blob_counted"();

CREATE FUNCTION "enter_storage"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO "StorageEntries" ("user_id", "bytes")
    SELECT "user_id", sum("counted") FROM added
     WHERE "user_id" IS NOT NULL AND "counted" > 0 GROUP BY "user_id";
  ELSIF TG_OP = 'DELETE' THEN
    INSERT INTO "StorageEntries" ("user_id", "bytes")
    SELECT "user_id", -sum("counted") FROM gone
     WHERE "user_id" IS NOT NULL AND "counted" > 0 GROUP BY "user_id";
  ELSE
    INSERT INTO "StorageEntries" ("user_id", "bytes")
    SELECT "user_id", sum(bytes)
      FROM (SELECT "user_id", "counted" AS bytes FROM added
            UNION ALL SELECT "user_id", -"counted" FROM gone) AS change
     WHERE "user_id" IS NOT NULL GROUP BY "user_id" HAVING sum(bytes) <> 0;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER "Blobs_enter_inserted" AFTER INSERT ON "Blobs" REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION "enter_storage"();
CREATE TRIGGER "Blobs_enter_updated" AFTER UPDATE ON "Blobs" REFERENCING NEW TABLE AS added OLD TABLE AS gone
  FOR EACH STATEMENT EXECUTE FUNCTION "enter_storage"();
CREATE TRIGGER "Blobs_enter_deleted" AFTER DELETE ON "Blobs" REFERENCING OLD TABLE AS gone
  FOR EACH STATEMENT EXECUTE FUNCTION "enter_storage"();

-- What a video or a result refers to is its user's.
CREATE FUNCTION "own_video_blobs"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE "Blobs" SET "user_id" = (SELECT "user_id" FROM "Datasets" WHERE "id" = NEW."dataset_id")
   WHERE "id" = NEW."file" AND "user_id" IS NULL;
  RETURN NULL;
END $$;
CREATE TRIGGER "Videos_own_blobs" AFTER INSERT ON "Videos"
  FOR EACH ROW EXECUTE FUNCTION "own_video_blobs"();
CREATE FUNCTION "own_result_blobs"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE "Blobs" SET "user_id" = (SELECT "user_id" FROM "InferenceJobs" WHERE "id" = NEW."inferenceJob_id")
   WHERE "id" IN (NEW."image_zip", NEW."frames", NEW."image_index");
  RETURN NULL;
END $$;
CREATE TRIGGER "Results_own_blobs" AFTER INSERT ON "Results"
  FOR EACH ROW EXECUTE FUNCTION "own_result_blobs"();
UPDATE "Blobs" AS blob SET "user_id" = dataset."user_id"
  FROM "Videos" AS video JOIN "Datasets" AS dataset ON dataset."id" = video."dataset_id"
 WHERE video."file" = blob."id";
UPDATE "Blobs" AS blob SET "user_id" = job."user_id"
  FROM "Results" AS result JOIN "InferenceJobs" AS job ON job."id" = result."inferenceJob_id"
 WHERE blob."id" IN (result."image_zip", result."frames", result."image_index");

-- Adds up a user's entries. Only under the lock that reserve_storage() takes.
CREATE FUNCTION "fold_storage"(owner UUID) RETURNS VOID LANGUAGE plpgsql AS $$
BEGIN
  WITH folded AS (DELETE FROM "StorageEntries" WHERE "user_id" = owner RETURNING "bytes")
  INSERT INTO "StorageEntries" ("user_id", "bytes")
  SELECT owner, sum("bytes") FROM folded HAVING sum("bytes") <> 0;
END $$;

-- Reserves room for a staged blob: `least` bytes, `most` where they fit; makes the blob when it is not there
-- yet, for `life` seconds, unless `at_once` others of the user arrive. Whoever reserves for the same user
-- waits, so that all of them together never pass the quota. `granted` is NULL when there is no room.
-- The first number of the lock is "STOR" in ASCII.
CREATE FUNCTION "reserve_storage"(blob UUID, owner UUID, least_bytes BIGINT, most_bytes BIGINT,
                                  default_quota BIGINT, at_once INTEGER, life INTEGER,
                                  OUT granted BIGINT, OUT used BIGINT, OUT quota BIGINT, OUT arriving BIGINT)
LANGUAGE plpgsql AS $$
DECLARE
  entries BIGINT;
BEGIN
  PERFORM pg_advisory_xact_lock(1398034258, hashtext(owner::text));
  SELECT count(*), coalesce(sum("bytes"), 0) INTO entries, used FROM "StorageEntries" WHERE "user_id" = owner;
  IF entries > 16 THEN
    PERFORM "fold_storage"(owner);
  END IF;
  SELECT coalesce("storage_quota", default_quota) INTO quota FROM "Users" WHERE "id" = owner;
  IF used + least_bytes > quota THEN
    RETURN;
  END IF;
  granted := least(most_bytes, quota - used);
  UPDATE "Blobs" SET "counted" = "counted" + granted WHERE "id" = blob AND "expires_at" > '-infinity';
  IF NOT FOUND THEN
    -- One that nobody has written to for a quarter of an hour has been left: the slowest take nine minutes
    -- for a chunk.
    SELECT count(*) INTO arriving FROM "Blobs"
     WHERE "user_id" = owner AND "expires_at" > "clock"() + make_interval(secs => life - 900);
    IF arriving < at_once THEN
      INSERT INTO "Blobs" ("id", "user_id", "counted", "expires_at")
      VALUES (blob, owner, granted, "clock"() + make_interval(secs => life))
      ON CONFLICT DO NOTHING;
    END IF;
  END IF;
END $$;

-- Being emptied, for good: nobody sees it any more.
ALTER TABLE "Datasets"
  ADD COLUMN "purged_at" TIMESTAMPTZ,
  ADD CONSTRAINT "Datasets_purged_deleted" CHECK ("purged_at" IS NULL OR "deleted_at" IS NOT NULL);
CREATE INDEX "Datasets_purged_at" ON "Datasets" ("purged_at") WHERE "purged_at" IS NOT NULL;

-- Everybody's: the seeded ones and those of administrators. The others show on their users' datasets alone.
ALTER TABLE "Tags" ADD COLUMN "shared" BOOLEAN NOT NULL DEFAULT false;
UPDATE "Tags" SET "shared" = true
 WHERE "id"::text LIKE '5eed0000-0000-4000-8000-%'
    OR "id"::text IN (SELECT "details"->>'id' FROM "AuditEntries" WHERE "action" = 'tag.create');

-- migrate:down
ALTER TABLE "Tags" DROP COLUMN "shared";
DROP INDEX "Datasets_purged_at";
ALTER TABLE "Datasets" DROP CONSTRAINT "Datasets_purged_deleted", DROP COLUMN "purged_at";
DROP FUNCTION "reserve_storage";
DROP FUNCTION "fold_storage";
DROP TRIGGER "Results_own_blobs" ON "Results";
DROP FUNCTION "own_result_blobs"();
DROP TRIGGER "Videos_own_blobs" ON "Videos";
DROP FUNCTION "own_video_blobs"();
DROP TRIGGER "Blobs_enter_deleted" ON "Blobs";
DROP TRIGGER "Blobs_enter_updated" ON "Blobs";
DROP TRIGGER "Blobs_enter_inserted" ON "Blobs";
DROP FUNCTION "enter_storage"();
DROP TRIGGER "Blobs_set_counted" ON "Blobs";
DROP FUNCTION "set_blob_counted"();
DROP TABLE "StorageEntries";
DROP INDEX "Blobs_arriving";
ALTER TABLE "Blobs" DROP COLUMN "counted", DROP COLUMN "user_id";
ALTER TABLE "Users" DROP COLUMN "storage_quota";
