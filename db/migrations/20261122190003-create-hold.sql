-- migrate:up
-- What a job's price is doing: held when the job is accepted (the ledger's entry of kind job),
-- settled as segments finish, released when it ends (the ledger's entry of kind refund).
CREATE TABLE "Holds" (
  "job_id"    UUID PRIMARY KEY REFERENCES "InferenceJobs" ("id") ON UPDATE CASCADE ON DELETE CASCADE,
  "user_id"   UUID NOT NULL REFERENCES "Users" ("id") ON UPDATE CASCADE ON DELETE CASCADE,
  "held"      NUMERIC(18, 3) NOT NULL CHECK ("held" >= 0),
  "settled"   NUMERIC(18, 3) NOT NULL DEFAULT 0 CHECK ("settled" >= 0),
  "released"  NUMERIC(18, 3) NOT NULL DEFAULT 0 CHECK ("released" >= 0),
  "closed_at" TIMESTAMPTZ,
  CONSTRAINT "Holds_covered" CHECK ("settled" + "released" <= "held"),
  CONSTRAINT "Holds_closed" CHECK ("closed_at" IS NULL OR "settled" + "released" = "held")
);
CREATE INDEX "Holds_user_id" ON "Holds" ("user_id");

-- What a user has under way, and what ends with a dataset.
CREATE INDEX "InferenceJobs_open_user_id" ON "InferenceJobs" ("user_id")
  WHERE "status" IN ('PENDING', 'RUNNING');
CREATE INDEX "InferenceJobs_open_dataset_id" ON "InferenceJobs" ("dataset_id")
  WHERE "status" IN ('PENDING', 'RUNNING');

INSERT INTO "Holds" ("job_id", "user_id", "held", "settled", "released", "closed_at")
SELECT "id", "user_id", "price" * "images",
       CASE WHEN "finished_at" IS NULL THEN "price" * "done" ELSE "cost" END,
       CASE WHEN "finished_at" IS NULL THEN 0 ELSE "price" * "images" - "cost" END,
       "finished_at"
  FROM "InferenceJobs";

-- A job that is deleted under way gives back what was not settled, should its owner remain.
CREATE FUNCTION "release_hold"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO "LedgerEntries" ("user_id", "kind", "amount", "job_id", "note")
  SELECT OLD."user_id", 'refund', OLD."held" - OLD."settled", OLD."job_id", 'the job was deleted'
    FROM "Users" WHERE "id" = OLD."user_id" AND OLD."held" > OLD."settled";
  RETURN NULL;
END $$;
CREATE TRIGGER "Holds_release" AFTER DELETE ON "Holds" FOR EACH ROW
  WHEN (OLD."closed_at" IS NULL) EXECUTE FUNCTION "release_hold"();

-- A job cannot end and keep tokens on hold.
CREATE FUNCTION "check_hold_closed"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM "Holds" WHERE "job_id" = NEW."id" AND "closed_at" IS NULL) THEN
    RAISE EXCEPTION 'job % has ended, but tokens are still on hold for it', NEW."id"
      USING ERRCODE = 'check_violation', CONSTRAINT = 'InferenceJobs_hold_closed';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER "InferenceJobs_hold_closed" AFTER UPDATE OF "status" ON "InferenceJobs"
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
  WHEN (NEW."status" IN ('COMPLETED', 'FAILED', 'ABORTED'))
  EXECUTE FUNCTION "check_hold_closed"();

-- migrate:down
DROP TRIGGER "InferenceJobs_hold_closed" ON "InferenceJobs";
DROP FUNCTION "check_hold_closed"();
DROP INDEX "InferenceJobs_open_dataset_id";
DROP INDEX "InferenceJobs_open_user_id";
-- The rows go with the table; no trigger of theirs runs.
DROP TABLE "Holds";
DROP FUNCTION "release_hold"();
