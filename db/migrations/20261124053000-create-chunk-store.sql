-- migrate:up
-- What the program takes for the present: a test puts a function of its own in its place, and so can
-- move the time of leases, retries and expiry.
CREATE FUNCTION "clock"() RETURNS TIMESTAMPTZ LANGUAGE sql STABLE AS 'SELECT now()';

-- The bytes of blobs, apart from which blob they belong to: a store that puts, gets and erases chunks
-- by their ids. PostgreSQL is one such store; therefore no foreign key leads here. Partitioned, since
-- a table's TOAST ends at 32 TiB.
CREATE TABLE "Chunks" (
  "id"    UUID PRIMARY KEY,
  "bytes" BYTEA NOT NULL
) PARTITION BY HASH ("id");
-- Video does not compress, and an uncompressed value can be read in slices.
ALTER TABLE "Chunks" ALTER COLUMN "bytes" SET STORAGE EXTERNAL;
DO $$
BEGIN
  FOR i IN 0..7 LOOP
    -- Chunks come and go in masses; the defaults would wait for a fifth of the table to be dead.
    EXECUTE format('CREATE TABLE %I PARTITION OF "Chunks" FOR VALUES WITH (MODULUS 8, REMAINDER %s)
                    WITH (autovacuum_vacuum_scale_factor = 0.02, toast.autovacuum_vacuum_scale_factor = 0.02)',
                   'Chunks_' || i, i);
  END LOOP;
END $$;

-- What a blob consists of. Blobs made before have rows in "BlobChunks" instead, and an assembled one
-- may have both; they are read as they are.
CREATE TABLE "BlobParts" (
  "blob_id" UUID NOT NULL REFERENCES "Blobs" ("id") ON UPDATE CASCADE,
  "start"   BIGINT NOT NULL CHECK ("start" >= 0),
  "size"    INTEGER NOT NULL CHECK ("size" > 0),
  "chunk"   UUID NOT NULL,
  PRIMARY KEY ("blob_id", "start")
) WITH (autovacuum_vacuum_scale_factor = 0.02);

-- migrate:down
INSERT INTO "BlobChunks" ("blob_id", "start", "bytes")
SELECT part."blob_id", part."start", chunk."bytes"
  FROM "BlobParts" AS part JOIN "Chunks" AS chunk ON chunk."id" = part."chunk";
DROP TABLE "BlobParts";
DROP TABLE "Chunks";
DROP FUNCTION "clock"();
