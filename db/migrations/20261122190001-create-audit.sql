-- migrate:up
-- What administrators did. Ids are plain values: an entry outlives whom it names.
CREATE TABLE "AuditEntries" (
  "id"         UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  -- NULL: somebody at the command line of a server.
  "admin_id"   UUID,
  "action"     VARCHAR(64) NOT NULL,
  "user_id"    UUID,
  "details"    JSON NOT NULL DEFAULT '{}',
  "created_at" TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX "AuditEntries_created_at" ON "AuditEntries" ("created_at" DESC, "id" DESC);

CREATE FUNCTION "keep_audit"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'audit entries are append-only' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER "AuditEntries_append_only"
  BEFORE UPDATE OR DELETE OR TRUNCATE ON "AuditEntries"
  FOR EACH STATEMENT EXECUTE FUNCTION "keep_audit"();
ALTER TABLE "AuditEntries" ENABLE ALWAYS TRIGGER "AuditEntries_append_only";

-- migrate:down
DROP TABLE "AuditEntries";
DROP FUNCTION "keep_audit"();
