-- migrate:up
ALTER TABLE "Users"
  ADD COLUMN "disabled_at" TIMESTAMPTZ,
  -- Counts what ends older tokens (a new password): a token carries the number it was made at.
  ADD COLUMN "session_epoch" INTEGER NOT NULL DEFAULT 0;

-- Two addresses never differ by case alone.
CREATE UNIQUE INDEX "Users_email_lower" ON "Users" (lower("email"));

-- The administrators' list.
CREATE INDEX "Users_createdAt" ON "Users" ("createdAt" DESC, "id" DESC);

-- Attempts to guess a password, by account and by address, so that every server of an installation
-- counts them together: those that failed and those under way. A row means nothing any more once its
-- window has ended.
CREATE TABLE "LoginFailures" (
  "subject"     VARCHAR(400) PRIMARY KEY,
  "failures"    INTEGER NOT NULL DEFAULT 0 CHECK ("failures" >= 0),
  "pending"     INTEGER NOT NULL DEFAULT 0 CHECK ("pending" >= 0),
  "window_ends" TIMESTAMPTZ NOT NULL
);
CREATE INDEX "LoginFailures_window_ends" ON "LoginFailures" ("window_ends");

-- migrate:down
DROP TABLE "LoginFailures";
DROP INDEX "Users_createdAt";
DROP INDEX "Users_email_lower";
ALTER TABLE "Users"
  DROP COLUMN "disabled_at",
  DROP COLUMN "session_epoch";
