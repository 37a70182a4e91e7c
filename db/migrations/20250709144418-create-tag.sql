-- migrate:up
CREATE TABLE "Tags" (
  "id"        UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  "name"      VARCHAR(255) NOT NULL UNIQUE,
  "createdAt" TIMESTAMPTZ NOT NULL DEFAULT now(),
  "updatedAt" TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- migrate:down
DROP TABLE "Tags";
