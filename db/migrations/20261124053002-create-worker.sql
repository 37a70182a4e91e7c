-- migrate:up
-- The workers that are at work, each with what it offers; who has not been heard of for a while is
-- taken for gone.
CREATE TABLE "Workers" (
  "id"           UUID PRIMARY KEY,
  "name"         VARCHAR(255) NOT NULL,
  "host"         VARCHAR(255) NOT NULL,
  "version"      VARCHAR(255) NOT NULL,
  "devices"      TEXT[] NOT NULL,
  "models"       TEXT[] NOT NULL,
  -- What segments may need: 'device:cpu', 'model:centernet'.
  "offers"       TEXT[] NOT NULL,
  "started_at"   TIMESTAMPTZ NOT NULL DEFAULT "clock"(),
  "heartbeat_at" TIMESTAMPTZ NOT NULL DEFAULT "clock"(),
  "segment_id"   BIGINT,
  -- Why it takes no work at the moment; NULL when it does.
  "paused"       TEXT
) WITH (fillfactor = 70);
CREATE INDEX "Workers_heartbeat_at" ON "Workers" ("heartbeat_at");

-- migrate:down
DROP TABLE "Workers";
