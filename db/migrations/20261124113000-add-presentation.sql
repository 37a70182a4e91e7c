-- migrate:up
-- Videos that were probed before are taken as they were: not turned, of square pixels.
ALTER TABLE "Videos"
  ADD COLUMN "rotation"     INTEGER NOT NULL DEFAULT 0 CHECK ("rotation" IN (0, 90, 180, 270)),
  ADD COLUMN "pixel_aspect" DOUBLE PRECISION NOT NULL DEFAULT 1 CHECK ("pixel_aspect" > 0),
  ADD COLUMN "warnings"     TEXT[] NOT NULL DEFAULT '{}';

ALTER TABLE "Segments"
  ADD COLUMN "keyframe_position" BIGINT,
  ADD COLUMN "keyframe_time"     DOUBLE PRECISION;

-- migrate:down
ALTER TABLE "Segments"
  DROP COLUMN "keyframe_position",
  DROP COLUMN "keyframe_time";
ALTER TABLE "Videos"
  DROP COLUMN "rotation",
  DROP COLUMN "pixel_aspect",
  DROP COLUMN "warnings";
