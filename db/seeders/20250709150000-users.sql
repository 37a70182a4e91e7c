-- The documented users; the password of each is "password" (bcrypt).
-- migrate:up
INSERT INTO "Users" ("id", "email", "password", "role", "tokens") VALUES
  ('5eed0000-0000-4000-8000-000000000001', 'admin@example.com', '$2b$12$InferNodeSeedUsers123ukRBoA3RKG7EKafd9Qtnyrma8BqrVIfK', 'admin', 1000),
  ('5eed0000-0000-4000-8000-000000000002', 'user1@example.com', '$2b$12$InferNodeSeedUsers123ukRBoA3RKG7EKafd9Qtnyrma8BqrVIfK', 'user', 100),
  ('5eed0000-0000-4000-8000-000000000003', 'user2@example.com', '$2b$12$InferNodeSeedUsers123ukRBoA3RKG7EKafd9Qtnyrma8BqrVIfK', 'user', 50)
ON CONFLICT DO NOTHING;

-- migrate:down
DELETE FROM "Users" WHERE "id" IN (
  '5eed0000-0000-4000-8000-000000000001',
  '5eed0000-0000-4000-8000-000000000002',
  '5eed0000-0000-4000-8000-000000000003');
