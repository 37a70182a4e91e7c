-- migrate:up
-- Files that have arrived whole and are looked into while nobody waits on the line. Who looks holds
-- one by a lease, so another goes on should it die. The bytes are a staged blob until a video
-- adopts them.
CREATE TABLE "Uploads" (
  "id"           UUID PRIMARY KEY,
  "user_id"      UUID NOT NULL REFERENCES "Users" ("id") ON UPDATE CASCADE ON DELETE CASCADE,
  "dataset_id"   UUID NOT NULL REFERENCES "Datasets" ("id") ON UPDATE CASCADE ON DELETE CASCADE,
  -- NULL once the bytes were let go.
  "file"         UUID REFERENCES "Blobs" ("id") ON UPDATE CASCADE ON DELETE SET NULL,
  "name"         VARCHAR(255) NOT NULL,
  "size"         BIGINT NOT NULL,
  "sha256"       BYTEA NOT NULL,
  "state"        VARCHAR(16) NOT NULL DEFAULT 'probing'
                 CHECK ("state" IN ('probing', 'accepted', 'refused')),
  "video_id"     UUID REFERENCES "Videos" ("id") ON UPDATE CASCADE ON DELETE SET NULL,
  "frame_count"  INTEGER,
  "cost"         NUMERIC(18,3),
  "problem"      JSON,
  "leased_until" TIMESTAMPTZ NOT NULL,
  "created_at"   TIMESTAMPTZ NOT NULL DEFAULT "clock"(),
  "expires_at"   TIMESTAMPTZ NOT NULL DEFAULT "clock"() + interval '1 day'
);
CREATE INDEX "Uploads_leased_until" ON "Uploads" ("leased_until") WHERE "state" = 'probing';
CREATE INDEX "Uploads_expires_at" ON "Uploads" ("expires_at");
CREATE INDEX "Uploads_user_id" ON "Uploads" ("user_id");
CREATE INDEX "Uploads_dataset_id" ON "Uploads" ("dataset_id");
CREATE INDEX "Uploads_file" ON "Uploads" ("file");
CREATE INDEX "Uploads_video_id" ON "Uploads" ("video_id");

-- migrate:down
DROP TABLE "Uploads";
