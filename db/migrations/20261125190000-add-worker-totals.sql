-- compatible-since: 20261124150000
-- migrate:up
-- What a worker has done since it began, for whoever watches the installation: images by model,
-- segments, retries, joules, tokens settled.
ALTER TABLE "Workers" ADD COLUMN "totals" JSONB NOT NULL DEFAULT '{}';
-- What is on hold now costs the same to add up whatever there was before.
CREATE INDEX "Holds_open" ON "Holds" ("job_id") WHERE "closed_at" IS NULL;

-- migrate:down
DROP INDEX "Holds_open";
ALTER TABLE "Workers" DROP COLUMN "totals";
