-- migrate:up
CREATE TYPE "enum_LedgerEntries_kind" AS ENUM
  ('opening', 'recharge', 'upload', 'job', 'refund');

-- Every change of a balance, written in the transaction of what it pays for.
CREATE TABLE "LedgerEntries" (
  "id"            UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  "user_id"       UUID NOT NULL REFERENCES "Users" ("id") ON UPDATE CASCADE ON DELETE CASCADE,
  "kind"          "enum_LedgerEntries_kind" NOT NULL,
  "amount"        NUMERIC(18, 3) NOT NULL,
  "balance_after" NUMERIC(18, 3) NOT NULL CHECK ("balance_after" >= 0),
  -- Kept as plain values: an entry outlives the job and the video that it paid for.
  "job_id"        UUID,
  "video_id"      UUID,
  "note"          TEXT,
  -- Not now(): entries of one transaction must keep their order. The lock on the user's row makes
  -- these moments grow along one account.
  "created_at"    TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX "LedgerEntries_user_id_created_at"
  ON "LedgerEntries" ("user_id", "created_at" DESC, "id" DESC);
CREATE UNIQUE INDEX "LedgerEntries_one_opening" ON "LedgerEntries" ("user_id")
  WHERE "kind" = 'opening';
-- A job is charged once and settled once.
CREATE UNIQUE INDEX "LedgerEntries_one_charge_per_job" ON "LedgerEntries" ("job_id", "kind")
  WHERE "kind" IN ('job', 'refund');

-- Entries are never changed, and leave only together with their user.
CREATE FUNCTION "keep_ledger"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' AND NOT EXISTS (SELECT FROM "Users" WHERE "id" = OLD."user_id") THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION 'ledger entries are append-only' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER "LedgerEntries_append_only" BEFORE UPDATE OR DELETE ON "LedgerEntries"
  FOR EACH ROW EXECUTE FUNCTION "keep_ledger"();

-- Whoever adds a user, by whatever way, opens the account in the same statement.
CREATE FUNCTION "open_account"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO "LedgerEntries" ("user_id", "kind", "amount", "balance_after")
  VALUES (NEW."id", 'opening', NEW."tokens", NEW."tokens");
  RETURN NULL;
END $$;
CREATE TRIGGER "Users_open_account" AFTER INSERT ON "Users"
  FOR EACH ROW EXECUTE FUNCTION "open_account"();

INSERT INTO "LedgerEntries" ("user_id", "kind", "amount", "balance_after")
SELECT "id", 'opening', "tokens", "tokens" FROM "Users";

-- migrate:down
DROP TRIGGER "Users_open_account" ON "Users";
DROP FUNCTION "open_account"();
DROP TABLE "LedgerEntries";
DROP FUNCTION "keep_ledger"();
DROP TYPE "enum_LedgerEntries_kind";
