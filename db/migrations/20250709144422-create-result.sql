-- migrate:up
CREATE TABLE "Results" (
  "id"              UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  "inferenceJob_id" UUID NOT NULL UNIQUE
                    REFERENCES "InferenceJobs" ("id") ON UPDATE CASCADE ON DELETE CASCADE,
  "json_res"        JSON NOT NULL,
  -- The blob that holds the ZIP: see create-blob. NULL when the job was run without images.
  "image_zip"       UUID,
  "created_at"      TIMESTAMPTZ NOT NULL DEFAULT now(),
  "updatedAt"       TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- migrate:down
DROP TABLE "Results";
