-- compatible-since: 20261126190000
-- migrate:up
-- What changed for a user, numbered 1, 2, 3 ... without holes: see "log_event".
CREATE TABLE "Events" (
  "user_id"    UUID NOT NULL,
  "id"         BIGINT NOT NULL,
  "type"       VARCHAR(16) NOT NULL,
  "body"       JSON NOT NULL,
  "created_at" TIMESTAMPTZ NOT NULL DEFAULT "clock"(),
  PRIMARY KEY ("user_id", "id")
);
CREATE INDEX "Events_created_at" ON "Events" ("created_at");

-- The number is taken under a lock of the user's, which is held until the transaction is over: who sees a
-- number sees all lower ones, and what is rolled back leaves no hole. The triggers that call this are deferred
-- to the commit, so the lock is the last one that a transaction takes, and held for a moment only. The newest
-- event of a user is never swept: it knows the number. The first number of the lock is "EVNT" in ASCII.
-- The notice tells the server's own connection whose hub has something to tell once this is committed: NOTIFY
-- would have all commits of the cluster wait for each other.
CREATE FUNCTION "log_event"(owner UUID, kind TEXT, body JSON) RETURNS VOID LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(1163284052, hashtext(owner::text));
  INSERT INTO "Events" ("user_id", "id", "type", "body")
  SELECT owner, 1 + coalesce((SELECT max("id") FROM "Events" WHERE "user_id" = owner), 0), kind, body
    FROM "Users" WHERE "id" = owner;  -- else the user was deleted, with all that is theirs
  RAISE NOTICE USING ERRCODE = '01IEV', MESSAGE = owner::text;
END $$;

CREATE FUNCTION "log_job_event"() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  job "InferenceJobs" := CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
BEGIN
  PERFORM "log_event"(job."user_id", 'job', json_build_object(
    'id', job."id", 'dataset_id', job."dataset_id", 'video_id', job."video_id",
    'status', CASE WHEN TG_OP = 'DELETE' THEN 'DELETED' ELSE job."status"::text END,
    'cost', job."cost", 'error', job."error"));
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER "InferenceJobs_log_added" AFTER INSERT OR DELETE ON "InferenceJobs"
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION "log_job_event"();
CREATE CONSTRAINT TRIGGER "InferenceJobs_log_changed" AFTER UPDATE ON "InferenceJobs"
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (OLD."status" IS DISTINCT FROM NEW."status")
  EXECUTE FUNCTION "log_job_event"();

CREATE FUNCTION "log_video_event"() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  video "Videos" := CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
  owner UUID := (SELECT "user_id" FROM "Datasets" WHERE "id" = video."dataset_id");
BEGIN
  IF owner IS NOT NULL THEN  -- else its dataset went with it, and that is told
    PERFORM "log_event"(owner, 'video', json_build_object(
      'id', video."id", 'dataset_id', video."dataset_id", 'name', video."name",
      'status', CASE WHEN TG_OP = 'DELETE' THEN 'DELETED' ELSE 'STORED' END));
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER "Videos_log_event" AFTER INSERT OR DELETE ON "Videos"
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION "log_video_event"();

CREATE FUNCTION "log_upload_event"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM "log_event"(NEW."user_id", 'upload', json_build_object(
    'id', NEW."id", 'dataset_id', NEW."dataset_id", 'name', NEW."name", 'state', NEW."state",
    'video_id', NEW."video_id", 'cost', NEW."cost", 'problem', NEW."problem"));
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER "Uploads_log_added" AFTER INSERT ON "Uploads"
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION "log_upload_event"();
CREATE CONSTRAINT TRIGGER "Uploads_log_changed" AFTER UPDATE ON "Uploads"
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (OLD."state" IS DISTINCT FROM NEW."state")
  EXECUTE FUNCTION "log_upload_event"();

CREATE FUNCTION "log_dataset_event"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM "log_event"(NEW."user_id", 'dataset', json_build_object(
    'id', NEW."id", 'name', NEW."name", 'tags', NEW."tags",
    'status', CASE WHEN NEW."purged_at" IS NOT NULL THEN 'PURGED'
                   WHEN NEW."deleted_at" IS NOT NULL THEN 'DELETED' ELSE 'ACTIVE' END));
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER "Datasets_log_added" AFTER INSERT ON "Datasets"
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION "log_dataset_event"();
CREATE CONSTRAINT TRIGGER "Datasets_log_changed" AFTER UPDATE ON "Datasets"
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
  WHEN ((OLD."name", OLD."tags", OLD."deleted_at", OLD."purged_at")
        IS DISTINCT FROM (NEW."name", NEW."tags", NEW."deleted_at", NEW."purged_at"))
  EXECUTE FUNCTION "log_dataset_event"();

CREATE FUNCTION "log_balance_event"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM "log_event"(NEW."id", 'balance', json_build_object('tokens', NEW."tokens"));
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER "Users_log_balance" AFTER UPDATE ON "Users"
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (OLD."tokens" IS DISTINCT FROM NEW."tokens")
  EXECUTE FUNCTION "log_balance_event"();

-- In place of a foreign key, whose check would lock the user's row with each event.
CREATE FUNCTION "follow_user_of_events"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    DELETE FROM "Events" WHERE "user_id" = OLD."id";
  ELSE
    UPDATE "Events" SET "user_id" = NEW."id" WHERE "user_id" = OLD."id";
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER "Users_follow_events" AFTER DELETE OR UPDATE OF "id" ON "Users"
  FOR EACH ROW EXECUTE FUNCTION "follow_user_of_events"();

-- migrate:down
DROP TRIGGER "Users_follow_events" ON "Users";
DROP FUNCTION "follow_user_of_events"();
DROP TRIGGER "Users_log_balance" ON "Users";
DROP FUNCTION "log_balance_event"();
DROP TRIGGER "Datasets_log_changed" ON "Datasets";
DROP TRIGGER "Datasets_log_added" ON "Datasets";
DROP FUNCTION "log_dataset_event"();
DROP TRIGGER "Uploads_log_changed" ON "Uploads";
DROP TRIGGER "Uploads_log_added" ON "Uploads";
DROP FUNCTION "log_upload_event"();
DROP TRIGGER "Videos_log_event" ON "Videos";
DROP FUNCTION "log_video_event"();
DROP TRIGGER "InferenceJobs_log_changed" ON "InferenceJobs";
DROP TRIGGER "InferenceJobs_log_added" ON "InferenceJobs";
DROP FUNCTION "log_job_event"();
DROP FUNCTION "log_event"(UUID, TEXT, JSON);
DROP TABLE "Events";
