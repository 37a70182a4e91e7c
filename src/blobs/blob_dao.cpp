#include "blobs/blob_dao.hpp"

#include "blobs/blob_store.hpp"

namespace infernode::blob_dao {
namespace {

using db::Statement;

constexpr Statement kInsertStaged{"blobs.insert_staged", R"sql(
  INSERT INTO "Blobs" ("id", "expires_at") VALUES ($1, "clock"() + make_interval(secs => $2))
)sql"};
constexpr Statement kExtendLife{"blobs.extend_life", R"sql(
  UPDATE "Blobs" SET "expires_at" = "clock"() + make_interval(secs => $2)
   WHERE "id" = $1 AND "expires_at" > '-infinity'
)sql"};
constexpr Statement kInsertPart{"blobs.insert_part", R"sql(
  INSERT INTO "BlobParts" ("blob_id", "start", "size", "chunk") VALUES ($1, $2, $3, $4)
)sql"};
constexpr Statement kHasPart{"blobs.has_part", R"sql(
  SELECT EXISTS (SELECT FROM "BlobParts" AS part JOIN "Blobs" AS blob ON blob."id" = part."blob_id"
                  WHERE part."blob_id" = $1 AND part."start" = $2 AND part."chunk" = $3
                    AND blob."expires_at" IS DISTINCT FROM '-infinity') AS has
)sql"};
constexpr Statement kFindParts{"blobs.find_parts", R"sql(
  SELECT "start", "size", "chunk" FROM "BlobParts"
   WHERE "blob_id" = $1 AND "start" < $2::bigint + $3::bigint
     AND "start" >= coalesce((SELECT "start" FROM "BlobParts"
                               WHERE "blob_id" = $1 AND "start" <= $2
                               ORDER BY "start" DESC LIMIT 1), 0)
   ORDER BY "start" LIMIT $4
)sql"};
// The piece that holds the offset is the last one that begins at or before it.
constexpr Statement kReadFormer{"blobs.read_former", R"sql(
  SELECT substring("bytes" FROM ($2 - "start" + 1)::integer FOR $3::integer) AS bytes
    FROM (SELECT "start", "bytes" FROM "BlobChunks"
           WHERE "blob_id" = $1 AND "start" <= $2
           ORDER BY "start" DESC LIMIT 1) AS piece
   WHERE $2 < "start" + length("bytes")
)sql",
                                true};
// '-infinity' is for ever, so the blob can be deleted in pieces. What is referred to is never
// marked, whatever its row says.
constexpr Statement kMarkExpired{"blobs.mark_expired", R"sql(
  UPDATE "Blobs" SET "expires_at" = '-infinity' WHERE "id" IN (
    SELECT "id" FROM "Blobs" AS blob
     WHERE "expires_at" > '-infinity' AND "expires_at" < "clock"()
       AND NOT EXISTS (SELECT FROM "Videos" WHERE "file" = blob."id")
       AND NOT EXISTS (SELECT FROM "Results" WHERE "image_zip" = blob."id")
       AND NOT EXISTS (SELECT FROM "Results" WHERE "frames" = blob."id")
       AND NOT EXISTS (SELECT FROM "Results" WHERE "image_index" = blob."id")
       AND NOT EXISTS (SELECT FROM "Results" WHERE "video" = blob."id")
       AND NOT EXISTS (SELECT FROM "Models" WHERE "file" = blob."id")
       AND NOT EXISTS (SELECT FROM "Segments" WHERE "images_blob" = blob."id")
       AND NOT EXISTS (SELECT FROM "Segments" WHERE "frames_blob" = blob."id")
       AND NOT EXISTS (SELECT FROM "Assemblies"
                        WHERE blob."id" IN ("images_blob", "frames_blob", "directory_blob", "index_blob"))
     ORDER BY "expires_at" LIMIT $1 FOR UPDATE SKIP LOCKED)
)sql"};
constexpr Statement kMarkStaged{"blobs.mark_staged", R"sql(
  UPDATE "Blobs" SET "expires_at" = '-infinity' WHERE "id" = $1 AND "expires_at" > '-infinity'
)sql"};
constexpr Statement kMoveTail{"blobs.move_tail", R"sql(
  UPDATE "BlobParts" SET "blob_id" = $3 WHERE "blob_id" = $1 AND "start" >= $2
)sql"};
constexpr Statement kListMarkedParts{"blobs.list_marked_parts", R"sql(
  SELECT part."blob_id", part."start", part."chunk"
    FROM "Blobs" AS blob JOIN "BlobParts" AS part ON part."blob_id" = blob."id"
   WHERE blob."expires_at" = '-infinity' AND ($1::uuid IS NULL OR blob."id" = $1)
   LIMIT $2 FOR UPDATE OF part SKIP LOCKED
)sql"};
constexpr Statement kDeleteParts{"blobs.delete_parts", R"sql(
  DELETE FROM "BlobParts" USING unnest($1::uuid[], $2::bigint[]) AS marked (blob_id, start)
   WHERE "BlobParts"."blob_id" = marked.blob_id AND "BlobParts"."start" = marked.start
)sql"};
constexpr Statement kDeleteMarkedFormer{"blobs.delete_marked_former", R"sql(
  DELETE FROM "BlobChunks" WHERE ("blob_id", "start") IN (
    SELECT chunk."blob_id", chunk."start"
      FROM "Blobs" AS blob JOIN "BlobChunks" AS chunk ON chunk."blob_id" = blob."id"
     WHERE blob."expires_at" = '-infinity' AND ($1::uuid IS NULL OR blob."id" = $1)
     LIMIT $2 FOR UPDATE OF chunk SKIP LOCKED)
)sql"};
constexpr Statement kDeleteMarked{"blobs.delete_marked", R"sql(
  DELETE FROM "Blobs" AS blob
   WHERE blob."expires_at" = '-infinity' AND ($1::uuid IS NULL OR blob."id" = $1)
     AND NOT EXISTS (SELECT FROM "BlobParts" WHERE "blob_id" = blob."id")
     AND NOT EXISTS (SELECT FROM "BlobChunks" WHERE "blob_id" = blob."id")
)sql"};
constexpr Statement kAdopt{"blobs.adopt", R"sql(
  UPDATE "Blobs" SET "size" = $2, "sha256" = $3, "expires_at" = NULL
   WHERE "id" = $1 AND "expires_at" > '-infinity'
)sql"};
constexpr Statement kMoveParts{"blobs.move_parts", R"sql(
  UPDATE "BlobParts" AS part SET "blob_id" = splice.target, "start" = part."start" + splice.base
    FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS splice (source, target, base)
   WHERE part."blob_id" = splice.source
)sql"};
constexpr Statement kMoveFormer{"blobs.move_former", R"sql(
  UPDATE "BlobChunks" AS piece SET "blob_id" = splice.target, "start" = piece."start" + splice.base
    FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS splice (source, target, base)
   WHERE piece."blob_id" = splice.source
)sql"};
constexpr Statement kRemove{"blobs.remove", R"sql(
  DELETE FROM "Blobs" WHERE "id" = ANY ($1::uuid[])
)sql"};
// In the order of ids, as everybody who locks several of them.
constexpr Statement kExpire{"blobs.expire", R"sql(
  WITH wanted AS (SELECT "id" FROM "Blobs" WHERE "id" = ANY ($1::uuid[]) ORDER BY "id" FOR UPDATE)
  UPDATE "Blobs" AS blob SET "expires_at" = "clock"()
    FROM wanted
   WHERE blob."id" = wanted."id" AND blob."expires_at" IS DISTINCT FROM '-infinity'
)sql"};

Part part_from_row(const db::Row& row) {
  return {row.get<std::int64_t>("start"), row.get<int>("size"), row.get<ChunkId>("chunk")};
}

OwnedPart owned_from_row(const db::Row& row) {
  return {row.get<BlobId>("blob_id"), row.get<std::int64_t>("start"), row.get<ChunkId>("chunk")};
}

}  // namespace

db::Command insert_staged(BlobId blob, int life_seconds) {
  return db::command(kInsertStaged, blob, life_seconds);
}

db::Command extend_life(BlobId blob, int life_seconds) {
  return db::command(kExtendLife, blob, life_seconds);
}

db::Command insert_part(BlobId blob, const Part& part) {
  return db::command(kInsertPart, blob, part.start, part.size, part.chunk);
}

asio::awaitable<bool> has_part(db::Executor& executor, BlobId blob, Part part) {
  const db::Rows rows = co_await executor.execute(kHasPart, blob, part.start, part.chunk);
  co_return rows.one().get<bool>("has");
}

asio::awaitable<std::vector<Part>> find_parts(db::Executor& executor, BlobId blob,
                                              std::int64_t offset, std::int64_t bytes, int limit) {
  const db::Rows rows = co_await executor.execute(kFindParts, blob, offset, bytes, limit);
  co_return rows.all(part_from_row);
}

asio::awaitable<std::vector<std::byte>> read_former(db::Executor& executor, BlobId blob,
                                                    std::int64_t offset, std::int64_t max_bytes) {
  const db::Rows rows = co_await executor.execute(kReadFormer, blob, offset, max_bytes);
  if (rows.empty()) {
    co_return std::vector<std::byte>{};
  }
  co_return db::binary(rows.one(), "bytes");
}

asio::awaitable<std::int64_t> mark_expired(db::Executor& executor, int limit) {
  const db::Rows rows = co_await executor.execute(kMarkExpired, limit);
  co_return rows.affected();
}

asio::awaitable<void> mark_staged(db::Executor& executor, BlobId blob) {
  co_await executor.execute(kMarkStaged, blob);
}

asio::awaitable<std::vector<OwnedPart>> list_marked_parts(db::Executor& executor,
                                                          std::optional<BlobId> only, int limit) {
  const db::Rows rows = co_await executor.execute(kListMarkedParts, only, limit);
  co_return rows.all(owned_from_row);
}

asio::awaitable<void> delete_parts(db::Executor& executor, std::vector<OwnedPart> parts) {
  std::vector<BlobId> blobs;
  std::vector<std::int64_t> starts;
  for (const auto& part : parts) {
    blobs.push_back(part.blob);
    starts.push_back(part.start);
  }
  co_await executor.execute(kDeleteParts, blobs, starts);
}

asio::awaitable<std::int64_t> delete_marked_former(db::Executor& executor,
                                                   std::optional<BlobId> only, int limit) {
  const db::Rows rows = co_await executor.execute(kDeleteMarkedFormer, only, limit);
  co_return rows.affected();
}

asio::awaitable<std::int64_t> delete_marked(db::Executor& executor, std::optional<BlobId> only) {
  const db::Rows rows = co_await executor.execute(kDeleteMarked, only);
  co_return rows.affected();
}

void adopt(db::Transaction& transaction, BlobId blob, std::int64_t size,
           std::optional<Sha256Digest> sha256) {
  std::optional<db::Bytes> digest;
  if (sha256) {
    digest = db::Bytes{*sha256};
  }
  transaction.queue(db::command(kAdopt, blob, size, digest), [](const db::Rows& rows) {
    if (rows.affected() != 1) {
      throw BlobExpired("a staged blob expired before it was complete");
    }
  });
}

void splice(db::Transaction& transaction, const std::vector<Splice>& splices) {
  std::vector<BlobId> sources;
  std::vector<BlobId> targets;
  std::vector<std::int64_t> bases;
  for (const auto& each : splices) {
    sources.push_back(each.from);
    targets.push_back(each.to);
    bases.push_back(each.base);
  }
  transaction.queue(kMoveParts, sources, targets, bases);
  transaction.queue(kMoveFormer, sources, targets, bases);
}

void move_tail(db::Transaction& transaction, BlobId blob, std::int64_t start, BlobId to) {
  transaction.queue(kMoveTail, blob, start, to);
}

void remove(db::Transaction& transaction, const std::vector<BlobId>& blobs) {
  transaction.queue(kRemove, blobs);
}

void expire(db::Transaction& transaction, const std::vector<BlobId>& blobs) {
  transaction.queue(kExpire, blobs);
}

}  // namespace infernode::blob_dao
