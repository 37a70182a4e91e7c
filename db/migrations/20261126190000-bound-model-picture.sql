-- migrate:up
-- compatible-since: 20261126100000
-- As servers have refused all along.
ALTER TABLE "Models" ADD CONSTRAINT "Models_picture_check" CHECK (octet_length("picture") <= 8388608);

-- migrate:down
ALTER TABLE "Models" DROP CONSTRAINT "Models_picture_check";
