-- compatible-since: 20261127040000
-- migrate:up
-- Uploads that come in pieces. "received": how many bytes there are (NULL: all). Each connection that goes on
-- with one takes the next "fence", and what an earlier one sends does not count any more. "hash_state" is the
-- SHA-256 of what there is, to go on with. Who looks into one holds it by the fence, too. With "confirm" the
-- price is agreed to before it is paid.
ALTER TABLE "Uploads"
  ADD COLUMN "received" BIGINT,
  ADD COLUMN "fence" INTEGER NOT NULL DEFAULT 0,
  ADD COLUMN "hash_state" BYTEA,
  ADD COLUMN "confirm" BOOLEAN NOT NULL DEFAULT false,
  ALTER COLUMN "sha256" DROP NOT NULL,
  DROP CONSTRAINT "Uploads_state_check",
  ADD CONSTRAINT "Uploads_state_check"
    CHECK ("state" IN ('receiving', 'probing', 'priced', 'accepted', 'refused'));

CREATE FUNCTION "hold_upload"(upload UUID, held INTEGER) RETURNS VOID LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM "Uploads" WHERE "id" = upload AND "fence" = held AND "state" = 'receiving' FOR SHARE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'upload % is gone, or somebody else goes on with it', upload USING ERRCODE = 'IUPLD';
  END IF;
END $$;

-- A server of before knows nothing of "confirm": what it does without consent is not done.
CREATE FUNCTION "require_consent"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'upload % is not to be paid without consent', OLD."id";
END $$;
CREATE TRIGGER "Uploads_require_consent" BEFORE UPDATE ON "Uploads" FOR EACH ROW
  WHEN (OLD."confirm" AND NEW."state" = 'accepted') EXECUTE FUNCTION "require_consent"();

-- As before, but not counting what comes in pieces: that has a limit of its own.
CREATE OR REPLACE FUNCTION "reserve_storage"(blob UUID, owner UUID, least_bytes BIGINT, most_bytes BIGINT,
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
     WHERE "user_id" = owner AND "expires_at" > "clock"() + make_interval(secs => life - 900)
       AND NOT EXISTS (SELECT FROM "Uploads" WHERE "file" = "Blobs"."id");
    IF arriving < at_once THEN
      INSERT INTO "Blobs" ("id", "user_id", "counted", "expires_at")
      VALUES (blob, owner, granted, "clock"() + make_interval(secs => life))
      ON CONFLICT DO NOTHING;
    END IF;
  END IF;
END $$;

-- migrate:down
CREATE OR REPLACE FUNCTION "reserve_storage"(blob UUID, owner UUID, least_bytes BIGINT, most_bytes BIGINT,
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
DROP TRIGGER "Uploads_require_consent" ON "Uploads";
DROP FUNCTION "require_consent"();
DROP FUNCTION "hold_upload"(UUID, INTEGER);
DELETE FROM "Uploads" WHERE "state" IN ('receiving', 'priced');
UPDATE "Uploads" SET "file" = NULL WHERE "state" = 'refused';
ALTER TABLE "Uploads"
  DROP CONSTRAINT "Uploads_state_check",
  ADD CONSTRAINT "Uploads_state_check" CHECK ("state" IN ('probing', 'accepted', 'refused')),
  ALTER COLUMN "sha256" SET NOT NULL,
  DROP COLUMN "confirm",
  DROP COLUMN "hash_state",
  DROP COLUMN "fence",
  DROP COLUMN "received";
