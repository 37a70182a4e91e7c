#include "blobs/blob_dao.hpp"

namespace infernode::blob_dao {
namespace {

using db::Statement;

constexpr Statement kInsertStaged{"blobs.insert_staged", R"sql(
  INSERT INTO "Blobs" ("id", "expires_at") VALUES ($1, now() + make_interval(secs => $2))
)sql"};
constexpr Statement kInsertChunk{"blobs.insert_chunk", R"sql(
  INSERT INTO "BlobChunks" ("blob_id", "start", "bytes") VALUES ($1, $2, $3)
)sql"};
constexpr Statement kExtendLife{"blobs.extend_life", R"sql(
  UPDATE "Blobs" SET "expires_at" = now() + make_interval(secs => $2)
   WHERE "id" = $1 AND "expires_at" > '-infinity'
)sql"};
// The chunk that holds the offset is the last one that begins at or before it. Stored EXTERNAL, its
// slice is read without the rest of it.
constexpr Statement kReadRange{"blobs.read_range", R"sql(
  SELECT substring("bytes" FROM ($2 - "start" + 1)::integer FOR $3::integer) AS bytes
    FROM "BlobChunks"
   WHERE "blob_id" = $1 AND "start" <= $2
   ORDER BY "start" DESC LIMIT 1
)sql",
                               true};
// '-infinity' is for ever: from then on nobody can keep or adopt the blob, so it can be deleted in
// pieces. What is referred to is never marked, whatever its row says.
constexpr Statement kDoomExpired{"blobs.doom_expired", R"sql(
  UPDATE "Blobs" SET "expires_at" = '-infinity' WHERE "id" IN (
    SELECT "id" FROM "Blobs" AS blob
     WHERE "expires_at" > '-infinity' AND "expires_at" < now()
       AND NOT EXISTS (SELECT FROM "Videos" WHERE "file" = blob."id")
       AND NOT EXISTS (SELECT FROM "Results" WHERE "image_zip" = blob."id")
       AND NOT EXISTS (SELECT FROM "Results" WHERE "frames" = blob."id")
       AND NOT EXISTS (SELECT FROM "Segments" WHERE "images_blob" = blob."id")
       AND NOT EXISTS (SELECT FROM "Segments" WHERE "frames_blob" = blob."id")
     ORDER BY "expires_at" LIMIT $1 FOR UPDATE SKIP LOCKED)
)sql"};
constexpr Statement kDoomStaged{"blobs.doom_staged", R"sql(
  UPDATE "Blobs" SET "expires_at" = '-infinity' WHERE "id" = $1 AND "expires_at" > '-infinity'
)sql"};
constexpr Statement kDeleteDoomedChunks{"blobs.delete_doomed_chunks", R"sql(
  DELETE FROM "BlobChunks" WHERE ("blob_id", "start") IN (
    SELECT chunk."blob_id", chunk."start"
      FROM "Blobs" AS blob JOIN "BlobChunks" AS chunk ON chunk."blob_id" = blob."id"
     WHERE blob."expires_at" = '-infinity' AND ($1::uuid IS NULL OR blob."id" = $1)
     LIMIT $2 FOR UPDATE OF chunk SKIP LOCKED)
)sql"};
constexpr Statement kDeleteDoomed{"blobs.delete_doomed", R"sql(
  DELETE FROM "Blobs" AS blob
   WHERE blob."expires_at" = '-infinity' AND ($1::uuid IS NULL OR blob."id" = $1)
     AND NOT EXISTS (SELECT FROM "BlobChunks" WHERE "blob_id" = blob."id")
)sql"};
constexpr Statement kAdopt{"blobs.adopt", R"sql(
  UPDATE "Blobs" SET "size" = $2, "sha256" = $3, "expires_at" = NULL
   WHERE "id" = $1 AND "expires_at" > '-infinity'
)sql"};
constexpr Statement kMoveChunks{"blobs.move_chunks", R"sql(
  UPDATE "BlobChunks" SET "blob_id" = $2, "start" = "start" + $3 WHERE "blob_id" = $1
)sql"};
constexpr Statement kRemove{"blobs.remove", R"sql(
  DELETE FROM "Blobs" WHERE "id" = $1
)sql"};

}  // namespace

asio::awaitable<void> insert_staged(db::Connection& connection, BlobId blob, int life_seconds) {
  co_await connection.execute(kInsertStaged, blob, life_seconds);
}

asio::awaitable<void> insert_chunk(db::Connection& connection, BlobId blob, std::int64_t start,
                                   std::vector<std::byte> bytes) {
  const db::Bytes content{bytes};
  co_await connection.execute(kInsertChunk, blob, start, content);
}

asio::awaitable<void> extend_life(db::Connection& connection, BlobId blob, int life_seconds) {
  co_await connection.execute(kExtendLife, blob, life_seconds);
}

asio::awaitable<std::vector<std::byte>> read_range(db::Connection& connection, BlobId blob,
                                                   std::int64_t offset, std::int64_t max_bytes) {
  const db::Rows rows = co_await connection.execute(kReadRange, blob, offset, max_bytes);
  if (rows.empty()) {
    co_return std::vector<std::byte>{};
  }
  const auto text = rows.one().get<std::string_view>("bytes");
  const auto* begin = reinterpret_cast<const std::byte*>(text.data());
  std::vector<std::byte> bytes(begin, begin + text.size());
  co_return bytes;
}

asio::awaitable<std::int64_t> doom_expired(db::Connection& connection, int limit) {
  const db::Rows rows = co_await connection.execute(kDoomExpired, limit);
  co_return rows.affected();
}

asio::awaitable<void> doom_staged(db::Connection& connection, BlobId blob) {
  co_await connection.execute(kDoomStaged, blob);
}

asio::awaitable<std::int64_t> delete_doomed_chunks(db::Connection& connection,
                                                   std::optional<BlobId> only, int limit) {
  const db::Rows rows = co_await connection.execute(kDeleteDoomedChunks, only, limit);
  co_return rows.affected();
}

asio::awaitable<std::int64_t> delete_doomed(db::Connection& connection,
                                            std::optional<BlobId> only) {
  const db::Rows rows = co_await connection.execute(kDeleteDoomed, only);
  co_return rows.affected();
}

asio::awaitable<bool> adopt(db::Connection& connection, BlobId blob, std::int64_t size,
                            std::optional<std::vector<std::byte>> sha256) {
  std::optional<db::Bytes> digest;
  if (sha256) {
    digest = db::Bytes{*sha256};
  }
  const db::Rows rows = co_await connection.execute(kAdopt, blob, size, digest);
  co_return rows.affected() == 1;
}

asio::awaitable<void> move_chunks(db::Connection& connection, BlobId from, BlobId to,
                                  std::int64_t base) {
  co_await connection.execute(kMoveChunks, from, to, base);
}

asio::awaitable<void> remove(db::Connection& connection, BlobId blob) {
  co_await connection.execute(kRemove, blob);
}

}  // namespace infernode::blob_dao
