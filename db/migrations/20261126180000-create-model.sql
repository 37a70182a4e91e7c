-- compatible-since: 20261126100000
-- migrate:up
-- Models that were brought to the installation, besides those that it came with: each process reads them from here.
CREATE TABLE "Models" (
  "name"       VARCHAR(63) PRIMARY KEY,
  -- As it was written, JSON or YAML.
  "manifest"   TEXT NOT NULL CHECK (octet_length("manifest") <= 1048576),
  "file"       UUID NOT NULL UNIQUE REFERENCES "Blobs" ("id") ON UPDATE CASCADE,
  "file_bytes" BIGINT NOT NULL CHECK ("file_bytes" > 0),
  -- Of the file, lower-case hex.
  "sha256"     VARCHAR(64) NOT NULL CHECK ("sha256" ~ '^[0-9a-f]{64}$'),
  -- What it is tried on; its manifest says what is found there.
  "picture"    BYTEA NOT NULL,
  "created_at" TIMESTAMPTZ NOT NULL DEFAULT "clock"()
);
CREATE FUNCTION "free_model_blob"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE "Blobs" SET "expires_at" = now() WHERE "id" = OLD."file";
  RETURN NULL;
END $$;
CREATE TRIGGER "free_model_blob" AFTER DELETE ON "Models" FOR EACH ROW EXECUTE FUNCTION "free_model_blob"();

-- migrate:down
UPDATE "Blobs" SET "expires_at" = now() WHERE "id" IN (SELECT "file" FROM "Models");
DROP TABLE "Models";
DROP FUNCTION "free_model_blob"();
