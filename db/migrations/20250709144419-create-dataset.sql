-- migrate:up
CREATE TABLE "Datasets" (
  "id"         UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  "user_id"    UUID NOT NULL REFERENCES "Users" ("id") ON UPDATE CASCADE ON DELETE CASCADE,
  "name"       VARCHAR(255) NOT NULL,
  "tags"       VARCHAR(255)[] NOT NULL DEFAULT '{}',
  "deleted_at" TIMESTAMPTZ,
  "created_at" TIMESTAMPTZ NOT NULL DEFAULT now(),
  "updatedAt"  TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- A name is taken only while its dataset is not deleted.
CREATE UNIQUE INDEX "Datasets_user_id_name_live" ON "Datasets" ("user_id", "name")
  WHERE "deleted_at" IS NULL;
CREATE INDEX "Datasets_user_id_created_at" ON "Datasets" ("user_id", "created_at" DESC, "id" DESC);
CREATE INDEX "Datasets_tags" ON "Datasets" USING gin ("tags");

-- migrate:down
DROP TABLE "Datasets";
