-- compatible-since: 20261125220000
-- migrate:up
-- Secrets that stand for a user: API keys of programs, sessions of browsers, links that set a password. Each
-- is 256 random bits that only its bearer has; here is their SHA-256, by which it is looked up.
CREATE TYPE "enum_Credentials_kind" AS ENUM ('key', 'session', 'link');

CREATE TABLE "Credentials" (
  "id"           UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  "user_id"      UUID NOT NULL REFERENCES "Users" ("id") ON UPDATE CASCADE ON DELETE CASCADE,
  "kind"         "enum_Credentials_kind" NOT NULL,
  "hash"         BYTEA NOT NULL UNIQUE CHECK (length("hash") = 32),
  "name"         VARCHAR(255),
  "scopes"       VARCHAR(16)[] NOT NULL DEFAULT '{}' CHECK ("scopes" <@ '{read,upload,jobs}'),
  -- The user's when it was made: sessions and links of another one are no longer valid.
  "epoch"        INTEGER NOT NULL,
  "created_at"   TIMESTAMPTZ NOT NULL DEFAULT "clock"(),
  "last_used_at" TIMESTAMPTZ,
  "expires_at"   TIMESTAMPTZ,
  CHECK (CASE WHEN "kind" = 'key' THEN "name" IS NOT NULL AND "scopes" <> '{}'
              ELSE "name" IS NULL AND "scopes" = '{}' AND "expires_at" IS NOT NULL END)
);
CREATE INDEX "Credentials_user_id" ON "Credentials" ("user_id", "kind", "created_at" DESC, "id" DESC);
CREATE INDEX "Credentials_expires_at" ON "Credentials" ("expires_at") WHERE "kind" <> 'key';

-- migrate:down
DROP TABLE "Credentials";
DROP TYPE "enum_Credentials_kind";
