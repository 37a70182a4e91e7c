-- migrate:up
CREATE TABLE "Videos" (
  "id"          UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  "dataset_id"  UUID NOT NULL REFERENCES "Datasets" ("id") ON UPDATE CASCADE ON DELETE CASCADE,
  -- The blob that holds the bytes: see create-blob.
  "file"        UUID NOT NULL,
  "name"        VARCHAR(255) NOT NULL,
  "frame_count" INTEGER NOT NULL CONSTRAINT "Videos_frame_count_positive" CHECK ("frame_count" > 0),
  "created_at"  TIMESTAMPTZ NOT NULL DEFAULT now(),
  "updatedAt"   TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE INDEX "Videos_dataset_id_created_at" ON "Videos" ("dataset_id", "created_at" DESC, "id" DESC);

-- migrate:down
DROP TABLE "Videos";
