-- compatible-since: 20261127100000
-- migrate:up
-- A ZIP becomes several videos. "video_id" stays the first of them, for servers of before.
ALTER TABLE "Uploads" ADD COLUMN "video_ids" UUID[];

-- migrate:down
ALTER TABLE "Uploads" DROP COLUMN "video_ids";
