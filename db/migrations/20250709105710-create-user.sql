-- migrate:up
CREATE TYPE "enum_Users_role" AS ENUM ('user', 'admin');

CREATE TABLE "Users" (
  "id"        UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  "email"     VARCHAR(255) NOT NULL UNIQUE
              CONSTRAINT "Users_email_valid" CHECK (
                "email" ~ '^[A-Za-z0-9.!#$%&''*+/=?^_`{|}~-]+@[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)+$'
              ),
  "password"  VARCHAR(255) NOT NULL,
  "role"      "enum_Users_role" NOT NULL DEFAULT 'user',
  "tokens"    NUMERIC(18, 3) NOT NULL DEFAULT 100
              CONSTRAINT "Users_tokens_not_negative" CHECK ("tokens" >= 0),
  "createdAt" TIMESTAMPTZ NOT NULL DEFAULT now(),
  "updatedAt" TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- migrate:down
DROP TABLE "Users";
DROP TYPE "enum_Users_role";
