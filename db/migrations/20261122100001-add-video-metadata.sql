-- migrate:up
ALTER TABLE "Videos"
  ADD COLUMN "width"     INTEGER NOT NULL DEFAULT 0,
  ADD COLUMN "height"    INTEGER NOT NULL DEFAULT 0,
  ADD COLUMN "fps"       DOUBLE PRECISION NOT NULL DEFAULT 0,
  ADD COLUMN "duration"  DOUBLE PRECISION NOT NULL DEFAULT 0,
  ADD COLUMN "codec"     VARCHAR(64) NOT NULL DEFAULT '',
  ADD COLUMN "thumbnail" BYTEA,
  -- [[frame index, presentation time], ...] in the stream's time base: where decoding can start.
  ADD COLUMN "keyframes" JSON NOT NULL DEFAULT '[]';

-- migrate:down
ALTER TABLE "Videos"
  DROP COLUMN "width",
  DROP COLUMN "height",
  DROP COLUMN "fps",
  DROP COLUMN "duration",
  DROP COLUMN "codec",
  DROP COLUMN "thumbnail",
  DROP COLUMN "keyframes";
