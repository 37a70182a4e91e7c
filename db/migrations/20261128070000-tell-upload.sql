-- compatible-since: 20261127180000
-- migrate:up
-- What its client said of an upload, as it said it: HEAD gives it back.
ALTER TABLE "Uploads" ADD COLUMN "metadata" TEXT;

-- As before, with all videos of a ZIP, and with an upload that is forgotten before it was over.
CREATE OR REPLACE FUNCTION "log_upload_event"() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  upload "Uploads" := CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
BEGIN
  PERFORM "log_event"(upload."user_id", 'upload', json_build_object(
    'id', upload."id", 'dataset_id', upload."dataset_id", 'name', upload."name",
    'state', CASE WHEN TG_OP = 'DELETE' THEN 'deleted' ELSE upload."state"::text END,
    'video_id', upload."video_id",
    'video_ids', coalesce(upload."video_ids", array_remove(ARRAY[upload."video_id"], NULL)),
    'cost', upload."cost", 'problem', upload."problem"));
  RETURN NULL;
END $$;
-- One that is over goes a day later without a word.
CREATE CONSTRAINT TRIGGER "Uploads_log_deleted" AFTER DELETE ON "Uploads"
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (OLD."file" IS NOT NULL)
  EXECUTE FUNCTION "log_upload_event"();

-- migrate:down
DROP TRIGGER "Uploads_log_deleted" ON "Uploads";
CREATE OR REPLACE FUNCTION "log_upload_event"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM "log_event"(NEW."user_id", 'upload', json_build_object(
    'id', NEW."id", 'dataset_id', NEW."dataset_id", 'name', NEW."name", 'state', NEW."state",
    'video_id', NEW."video_id", 'cost', NEW."cost", 'problem', NEW."problem"));
  RETURN NULL;
END $$;
ALTER TABLE "Uploads" DROP COLUMN "metadata";
