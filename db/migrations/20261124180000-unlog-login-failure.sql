-- compatible-since: 20261124150000
-- Counts of failed logins are worth no write-ahead log: each login waits for two of their commits, and
-- all logins from one address for each other's. A crash of PostgreSQL forgets them.
-- migrate:up
ALTER TABLE "LoginFailures" SET UNLOGGED;

-- migrate:down
ALTER TABLE "LoginFailures" SET LOGGED;
