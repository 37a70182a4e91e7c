-- migrate:up
-- The first answer to a request, by the key its client sent; written in the transaction of what the
-- request did.
CREATE TABLE "IdempotencyKeys" (
  "user_id"    UUID NOT NULL REFERENCES "Users" ("id") ON UPDATE CASCADE ON DELETE CASCADE,
  "key"        VARCHAR(255) NOT NULL,
  -- SHA-256 of method, path and body: the same key means the same request.
  "request"    BYTEA NOT NULL CHECK (length("request") = 32),
  "status"     INTEGER NOT NULL DEFAULT 0,
  "body"       TEXT NOT NULL DEFAULT '',
  "expires_at" TIMESTAMPTZ NOT NULL DEFAULT now() + interval '24 hours',
  PRIMARY KEY ("user_id", "key")
);
CREATE INDEX "IdempotencyKeys_expires_at" ON "IdempotencyKeys" ("expires_at");

-- migrate:down
DROP TABLE "IdempotencyKeys";
