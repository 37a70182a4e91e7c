-- Two datasets of user1 with different tags; the second is logically deleted.
-- migrate:up
INSERT INTO "Datasets" ("id", "user_id", "name", "tags", "deleted_at")
SELECT seed."id"::uuid, "Users"."id", seed."name", seed."tags"::varchar[], seed."deleted_at"::timestamptz
  FROM "Users",
       (VALUES
         ('5eed0000-0000-4000-8000-000000000021', 'Sample dataset', '{computer-vision,ai}', NULL),
         ('5eed0000-0000-4000-8000-000000000022', 'Deleted dataset',
          '{machine-learning,deep-learning}', '2025-07-09T15:00:00Z')
       ) AS seed ("id", "name", "tags", "deleted_at")
 WHERE "Users"."email" = 'user1@example.com'
ON CONFLICT DO NOTHING;

-- migrate:down
DELETE FROM "Datasets" WHERE "id" IN (
  '5eed0000-0000-4000-8000-000000000021',
  '5eed0000-0000-4000-8000-000000000022');
