-- compatible-since: 20261127060000
-- migrate:up
-- Calls of a user's own server when jobs end: see docs/webhooks.md.
ALTER TABLE "InferenceJobs" ADD "webhook_url" VARCHAR(2048);

CREATE TABLE "WebhookSecrets" (
  "user_id"     UUID NOT NULL REFERENCES "Users" ("id") ON UPDATE CASCADE ON DELETE CASCADE,
  "secret"      VARCHAR(64) NOT NULL,
  "created_at"  TIMESTAMPTZ NOT NULL DEFAULT "clock"(),
  "shown"       BOOLEAN NOT NULL DEFAULT false,
  "valid_until" TIMESTAMPTZ,  -- NULL: the user's own; those before it sign too until then
  PRIMARY KEY ("user_id", "secret")
);
CREATE UNIQUE INDEX "WebhookSecrets_current" ON "WebhookSecrets" ("user_id") WHERE "valid_until" IS NULL;

CREATE TYPE "enum_WebhookDeliveries_status" AS ENUM ('PENDING', 'DELIVERED', 'FAILED');

-- One per end of a job. It is claimed by setting when it is next due: should the server that has it die,
-- another takes it then; "fence" tells which claim an outcome belongs to.
CREATE TABLE "WebhookDeliveries" (
  "id"              UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  "user_id"         UUID NOT NULL REFERENCES "Users" ("id") ON UPDATE CASCADE ON DELETE CASCADE,
  "job_id"          UUID NOT NULL UNIQUE REFERENCES "InferenceJobs" ("id") ON UPDATE CASCADE ON DELETE CASCADE,
  "url"             VARCHAR(2048) NOT NULL,
  "status"          "enum_WebhookDeliveries_status" NOT NULL DEFAULT 'PENDING',
  "attempts"        INTEGER NOT NULL DEFAULT 0,
  "fence"           INTEGER NOT NULL DEFAULT 0,
  "created_at"      TIMESTAMPTZ NOT NULL DEFAULT "clock"(),
  "tried_since"     TIMESTAMPTZ NOT NULL DEFAULT "clock"(),
  "next_attempt_at" TIMESTAMPTZ NOT NULL DEFAULT "clock"(),
  "delivered_at"    TIMESTAMPTZ,
  "answer"          INTEGER,
  "error"           VARCHAR(255),
  CHECK (("status" = 'DELIVERED') = ("delivered_at" IS NOT NULL))
);
CREATE INDEX "WebhookDeliveries_pending" ON "WebhookDeliveries" ("user_id", "next_attempt_at")
  WHERE "status" = 'PENDING';
CREATE INDEX "WebhookDeliveries_user_id" ON "WebhookDeliveries" ("user_id", "created_at" DESC, "id" DESC);

-- In the transaction that ends the job, whatever ends it.
CREATE FUNCTION "add_webhook_delivery"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO "WebhookDeliveries" ("user_id", "job_id", "url")
  VALUES (NEW."user_id", NEW."id", NEW."webhook_url");
  RETURN NULL;
END $$;
CREATE TRIGGER "InferenceJobs_add_webhook_delivery" AFTER UPDATE ON "InferenceJobs" FOR EACH ROW
  WHEN (NEW."webhook_url" IS NOT NULL AND OLD."finished_at" IS NULL AND NEW."finished_at" IS NOT NULL)
  EXECUTE FUNCTION "add_webhook_delivery"();

-- migrate:down
DROP TRIGGER "InferenceJobs_add_webhook_delivery" ON "InferenceJobs";
DROP FUNCTION "add_webhook_delivery"();
DROP TABLE "WebhookDeliveries";
DROP TYPE "enum_WebhookDeliveries_status";
DROP TABLE "WebhookSecrets";
ALTER TABLE "InferenceJobs" DROP "webhook_url";
