-- migrate:up
-- A balance changes by posting an entry and in no other way: the entry's trigger moves the balance,
-- numbers the entry and chains it to the one before it. So each balance_after is the one before plus
-- the amount, and Users.tokens is the last balance_after: the balance is the sum, by induction.
ALTER TABLE "LedgerEntries"
  ADD COLUMN "seq"      BIGINT,
  ADD COLUMN "hash"     BYTEA,
  ADD COLUMN "admin_id" UUID;
-- The head of each chain; without it a missing last entry could not be told.
ALTER TABLE "Users"
  ADD COLUMN "ledger_length" BIGINT NOT NULL DEFAULT 0,
  ADD COLUMN "ledger_hash"   BYTEA NOT NULL DEFAULT '';

-- SHA-256 of the hash before and everything an entry says but whose it is (that is what the head
-- says). Only the note can hold any character, so it comes last.
CREATE FUNCTION "ledger_entry_hash"("previous" BYTEA, "entry" "LedgerEntries") RETURNS BYTEA
LANGUAGE sql STABLE AS $$
  SELECT sha256("previous" || convert_to(concat(
    "entry"."id", '|', "entry"."seq", '|', "entry"."kind", '|', "entry"."amount", '|',
    "entry"."balance_after", '|', "entry"."job_id", '|', "entry"."video_id", '|',
    "entry"."admin_id", '|', (extract(epoch FROM "entry"."created_at") * 1000000)::bigint, '|',
    "entry"."note"), 'UTF8'))
$$;

-- Lists are in the order of seq now.
DROP INDEX "LedgerEntries_user_id_created_at";

DROP TRIGGER "LedgerEntries_append_only" ON "LedgerEntries";
DO $$
DECLARE
  entry   "LedgerEntries";
  account RECORD;
  number  BIGINT;
  balance NUMERIC;
  head    BYTEA;
BEGIN
  FOR account IN SELECT "id", "email", "tokens" FROM "Users" LOOP
    number := 0;
    balance := 0;
    head := '';
    FOR entry IN SELECT * FROM "LedgerEntries" WHERE "user_id" = account."id"
                  ORDER BY "created_at", "id" LOOP
      number := number + 1;
      balance := balance + entry."amount";
      IF entry."balance_after" <> balance THEN
        RAISE EXCEPTION 'the ledger of % is not sound: entry % says % where the entries make %',
          account."email", entry."id", entry."balance_after", balance;
      END IF;
      entry."seq" := number;
      head := "ledger_entry_hash"(head, entry);
      UPDATE "LedgerEntries" SET "seq" = number, "hash" = head WHERE "id" = entry."id";
    END LOOP;
    IF account."tokens" <> balance THEN
      RAISE EXCEPTION '% has % tokens, but the ledger''s entries make %: add the entry that explains it',
        account."email", account."tokens", balance;
    END IF;
    UPDATE "Users" SET "ledger_length" = number, "ledger_hash" = head WHERE "id" = account."id";
  END LOOP;
END $$;

ALTER TABLE "LedgerEntries"
  ALTER COLUMN "seq" SET NOT NULL,
  ALTER COLUMN "hash" SET NOT NULL,
  ADD CONSTRAINT "LedgerEntries_user_id_seq" UNIQUE ("user_id", "seq"),
  ADD CONSTRAINT "LedgerEntries_sign" CHECK (CASE "kind"
    WHEN 'opening' THEN "amount" >= 0
    WHEN 'recharge' THEN "amount" > 0
    WHEN 'refund' THEN "amount" > 0
    ELSE "amount" < 0 END),
  -- What the program's amounts can be.
  ADD CONSTRAINT "LedgerEntries_range" CHECK (
    "amount" BETWEEN -4398046511103.999 AND 4398046511103.999
    AND "balance_after" BETWEEN 0 AND 4398046511103.999),
  -- Not for entries that are older than the column.
  ADD CONSTRAINT "LedgerEntries_recharged_by" CHECK (
    ("kind" = 'recharge') = ("admin_id" IS NOT NULL)) NOT VALID;

-- One UPDATE locks the account, moves its balance and its head, and says what the entry must bear.
-- The hash is ledger_entry_hash() written out, since a call would cost as much as the rest.
CREATE FUNCTION "post_ledger_entry"() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  -- An account is opened with what is in it.
  change NUMERIC := CASE WHEN NEW."kind" = 'opening' THEN 0 ELSE NEW."amount" END;
BEGIN
  NEW."created_at" := clock_timestamp();
  UPDATE "Users"
     SET "tokens" = "tokens" + change,
         "ledger_length" = "ledger_length" + 1,
         "ledger_hash" = sha256("ledger_hash" || convert_to(concat(
           NEW."id", '|', "ledger_length" + 1, '|', NEW."kind", '|', NEW."amount", '|',
           "tokens" + change, '|', NEW."job_id", '|', NEW."video_id", '|', NEW."admin_id", '|',
           (extract(epoch FROM NEW."created_at") * 1000000)::bigint, '|', NEW."note"), 'UTF8')),
         "updatedAt" = now()
   WHERE "id" = NEW."user_id"
  RETURNING "tokens", "ledger_length", "ledger_hash"
       INTO NEW."balance_after", NEW."seq", NEW."hash";
  IF NOT FOUND THEN
    RAISE EXCEPTION 'there is no account %', NEW."user_id" USING ERRCODE = 'foreign_key_violation';
  END IF;
  IF (NEW."kind" = 'opening') <> (NEW."seq" = 1)
     OR (NEW."kind" = 'opening' AND NEW."amount" <> NEW."balance_after") THEN
    RAISE EXCEPTION 'an account is opened once, by its first entry'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'LedgerEntries_opening';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER "LedgerEntries_post" BEFORE INSERT ON "LedgerEntries"
  FOR EACH ROW EXECUTE FUNCTION "post_ledger_entry"();

CREATE FUNCTION "keep_balance"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'a balance changes by a ledger entry only' USING ERRCODE = 'restrict_violation';
END $$;
-- Depth 0 is a statement that somebody sent; the posting above runs deeper.
CREATE TRIGGER "Users_balance_by_ledger" BEFORE UPDATE ON "Users" FOR EACH ROW
  WHEN (pg_trigger_depth() = 0
        AND (OLD."tokens", OLD."ledger_length", OLD."ledger_hash")
            IS DISTINCT FROM (NEW."tokens", NEW."ledger_length", NEW."ledger_hash"))
  EXECUTE FUNCTION "keep_balance"();

-- An account's head is always an entry that is there: one that was posted and then dropped (ON
-- CONFLICT DO NOTHING) must not move a balance.
CREATE FUNCTION "check_ledger_head"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM "LedgerEntries" WHERE "user_id" = NEW."id"
                    AND "seq" = NEW."ledger_length" AND "hash" = NEW."ledger_hash")
     AND EXISTS (SELECT FROM "Users" WHERE "id" = NEW."id") THEN
    RAISE EXCEPTION 'the balance of % moved without an entry', NEW."id"
      USING ERRCODE = 'check_violation', CONSTRAINT = 'Users_ledger_head';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER "Users_ledger_head" AFTER UPDATE ON "Users"
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
  WHEN (OLD."ledger_length" IS DISTINCT FROM NEW."ledger_length")
  EXECUTE FUNCTION "check_ledger_head"();

-- Entries leave only together with their user, and follow when the user's id changes.
CREATE OR REPLACE FUNCTION "keep_ledger"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'TRUNCATE' AND NOT EXISTS (SELECT FROM "Users" WHERE "id" = OLD."user_id") THEN
    IF TG_OP = 'DELETE' THEN
      RETURN OLD;
    END IF;
    OLD."user_id" := NEW."user_id";
    IF OLD IS NOT DISTINCT FROM NEW THEN
      RETURN NEW;
    END IF;
  END IF;
  RAISE EXCEPTION 'ledger entries are append-only' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER "LedgerEntries_append_only" BEFORE UPDATE OR DELETE ON "LedgerEntries"
  FOR EACH ROW EXECUTE FUNCTION "keep_ledger"();
CREATE TRIGGER "LedgerEntries_no_truncate" BEFORE TRUNCATE ON "LedgerEntries"
  FOR EACH STATEMENT EXECUTE FUNCTION "keep_ledger"();
-- Also where session_replication_role turns ordinary triggers off.
ALTER TABLE "LedgerEntries" ENABLE ALWAYS TRIGGER "LedgerEntries_append_only";
ALTER TABLE "LedgerEntries" ENABLE ALWAYS TRIGGER "LedgerEntries_no_truncate";

-- migrate:down
DROP TRIGGER "LedgerEntries_no_truncate" ON "LedgerEntries";
DROP TRIGGER "LedgerEntries_append_only" ON "LedgerEntries";
DROP TRIGGER "Users_ledger_head" ON "Users";
DROP FUNCTION "check_ledger_head"();
DROP TRIGGER "Users_balance_by_ledger" ON "Users";
DROP FUNCTION "keep_balance"();
DROP TRIGGER "LedgerEntries_post" ON "LedgerEntries";
DROP FUNCTION "post_ledger_entry"();
DROP FUNCTION "ledger_entry_hash"(BYTEA, "LedgerEntries");
ALTER TABLE "Users"
  DROP COLUMN "ledger_length",
  DROP COLUMN "ledger_hash";
ALTER TABLE "LedgerEntries"
  DROP CONSTRAINT "LedgerEntries_recharged_by",
  DROP CONSTRAINT "LedgerEntries_range",
  DROP CONSTRAINT "LedgerEntries_sign",
  DROP CONSTRAINT "LedgerEntries_user_id_seq",
  DROP COLUMN "seq",
  DROP COLUMN "hash",
  DROP COLUMN "admin_id";
CREATE INDEX "LedgerEntries_user_id_created_at"
  ON "LedgerEntries" ("user_id", "created_at" DESC, "id" DESC);
CREATE OR REPLACE FUNCTION "keep_ledger"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' AND NOT EXISTS (SELECT FROM "Users" WHERE "id" = OLD."user_id") THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION 'ledger entries are append-only' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER "LedgerEntries_append_only" BEFORE UPDATE OR DELETE ON "LedgerEntries"
  FOR EACH ROW EXECUTE FUNCTION "keep_ledger"();
