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
-- Undone first of the seeders, so this is where to stop before anything is lost that no seeder made.
DO $$
DECLARE
  other TEXT;
BEGIN
  SELECT concat(owner."email", ' has the dataset "', dataset."name", '"',
                CASE WHEN video."id" IS NOT NULL THEN ' with videos in it' END)
    INTO other
    FROM "Users" AS owner
    JOIN "Datasets" AS dataset ON dataset."user_id" = owner."id"
    LEFT JOIN "Videos" AS video ON video."dataset_id" = dataset."id"
   WHERE owner."id" IN ('5eed0000-0000-4000-8000-000000000001',
                        '5eed0000-0000-4000-8000-000000000002',
                        '5eed0000-0000-4000-8000-000000000003')
     AND (video."id" IS NOT NULL
          OR dataset."id" NOT IN ('5eed0000-0000-4000-8000-000000000021',
                                  '5eed0000-0000-4000-8000-000000000022'))
   LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION '%, which no seeder made; delete that first (DELETE FROM "Datasets")', other;
  END IF;
END $$;
DELETE FROM "Datasets" WHERE "id" IN (
  '5eed0000-0000-4000-8000-000000000021',
  '5eed0000-0000-4000-8000-000000000022');
