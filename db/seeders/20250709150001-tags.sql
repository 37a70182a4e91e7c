-- The predefined tags.
-- migrate:up
INSERT INTO "Tags" ("id", "name", "shared") VALUES
  ('5eed0000-0000-4000-8000-000000000011', 'computer-vision', true),
  ('5eed0000-0000-4000-8000-000000000012', 'ai', true),
  ('5eed0000-0000-4000-8000-000000000013', 'machine-learning', true),
  ('5eed0000-0000-4000-8000-000000000014', 'deep-learning', true),
  ('5eed0000-0000-4000-8000-000000000015', 'neural-networks', true)
ON CONFLICT ("name") DO UPDATE SET "shared" = true;

-- migrate:down
DELETE FROM "Tags" WHERE "id" IN (
  '5eed0000-0000-4000-8000-000000000011',
  '5eed0000-0000-4000-8000-000000000012',
  '5eed0000-0000-4000-8000-000000000013',
  '5eed0000-0000-4000-8000-000000000014',
  '5eed0000-0000-4000-8000-000000000015');
