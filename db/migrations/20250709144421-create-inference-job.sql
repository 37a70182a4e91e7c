-- migrate:up
CREATE TYPE "enum_InferenceJobs_status" AS ENUM
  ('PENDING', 'RUNNING', 'FAILED', 'ABORTED', 'COMPLETED');

CREATE TABLE "InferenceJobs" (
  "id"               UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  "dataset_id"       UUID NOT NULL REFERENCES "Datasets" ("id") ON UPDATE CASCADE ON DELETE CASCADE,
  "user_id"          UUID NOT NULL REFERENCES "Users" ("id") ON UPDATE CASCADE ON DELETE CASCADE,
  "video_id"         UUID NOT NULL REFERENCES "Videos" ("id") ON UPDATE CASCADE ON DELETE CASCADE,
  "status"           "enum_InferenceJobs_status" NOT NULL DEFAULT 'PENDING',
  "params"           JSON NOT NULL,
  "carbon_footprint" INTEGER NOT NULL DEFAULT 0,
  "created_at"       TIMESTAMPTZ NOT NULL DEFAULT now(),
  "updated_at"       TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE INDEX "InferenceJobs_user_id_created_at"
  ON "InferenceJobs" ("user_id", "created_at" DESC, "id" DESC);
CREATE INDEX "InferenceJobs_dataset_id" ON "InferenceJobs" ("dataset_id");
CREATE INDEX "InferenceJobs_video_id" ON "InferenceJobs" ("video_id");

-- migrate:down
DROP TABLE "InferenceJobs";
DROP TYPE "enum_InferenceJobs_status";
