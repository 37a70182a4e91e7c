-- compatible-since: 20261126180000
-- migrate:up
-- As servers have refused all along.
ALTER TABLE "Models" ADD CONSTRAINT "Models_picture_check" CHECK (octet_length("picture") <= 8388608);

-- migrate:down
ALTER TABLE "Models" DROP CONSTRAINT "Models_picture_check";
