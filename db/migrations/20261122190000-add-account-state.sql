-- migrate:up
ALTER TABLE "Users"
  ADD COLUMN "disabled_at" TIMESTAMPTZ,
  -- Counts what ends older tokens (a new password): a token carries the number it was made at.
  ADD COLUMN "session_epoch" INTEGER NOT NULL DEFAULT 0;

-- Two addresses never differ by case alone.
CREATE UNIQUE INDEX "Users_email_lower" ON "Users" (lower("email"));

-- Failed logins of an account and of an address, so that every server of an installation counts
-- them together. A row means nothing any more once its window has ended.
CREATE TABLE "LoginFailures" (
  "subject"     VARCHAR(300) PRIMARY KEY,
  "failures"    INTEGER NOT NULL CHECK ("failures" >= 0),
  "window_ends" TIMESTAMPTZ NOT NULL
);
CREATE INDEX "LoginFailures_window_ends" ON "LoginFailures" ("window_ends");

-- migrate:down
DROP TABLE "LoginFailures";
DROP INDEX "Users_email_lower";
ALTER TABLE "Users"
  DROP COLUMN "disabled_at",
  DROP COLUMN "session_epoch";
