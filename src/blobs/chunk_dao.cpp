#include "blobs/chunk_dao.hpp"

namespace infernode::chunk_dao {
namespace {

using db::Statement;

// Nobody waits for the disk: what makes the chunk count is a later commit, whose flush of the log
// covers this one.
constexpr Statement kInsert{"chunks.insert", R"sql(
  WITH hurry AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
  INSERT INTO "Chunks" ("id", "bytes") SELECT $1::uuid, $2::bytea FROM hurry
)sql"};
// Stored EXTERNAL, a slice is read without the rest of its chunk. LATERAL keeps the planner from
// reading the whole table for a few ids.
constexpr Statement kRead{"chunks.read", R"sql(
  SELECT coalesce(string_agg(chunk.bytes, '' ORDER BY slice.position), '') AS bytes
    FROM unnest($1::uuid[], $2::integer[], $3::integer[])
           WITH ORDINALITY AS slice (id, skip, size, position)
   CROSS JOIN LATERAL (
     SELECT substring("bytes" FROM slice.skip + 1 FOR slice.size) AS bytes
       FROM "Chunks" WHERE "id" = slice.id OFFSET 0) AS chunk
)sql",
                          true};
// The usual case: nothing to put together.
constexpr Statement kReadOne{"chunks.read_one", R"sql(
  SELECT substring("bytes" FROM $2::integer + 1 FOR $3::integer) AS bytes FROM "Chunks" WHERE "id" = $1
)sql",
                             true};
constexpr Statement kRemove{"chunks.remove", R"sql(
  DELETE FROM "Chunks" WHERE "id" = ANY ($1::uuid[])
)sql"};
// The files' sizes; nothing is read.
constexpr Statement kStoredBytes{"chunks.stored_bytes", R"sql(
  SELECT sum(pg_total_relation_size(relid))::bigint AS bytes FROM pg_partition_tree('"Chunks"')
)sql"};
// No row for those who may not see it.
constexpr Statement kFindFolder{"chunks.find_folder", R"sql(
  SELECT "setting" FROM pg_settings WHERE "name" = 'data_directory'
)sql"};

}  // namespace

asio::awaitable<void> insert(db::Executor& executor, ChunkId id, std::vector<std::byte> bytes) {
  const db::Bytes content{bytes};
  co_await executor.execute(kInsert, id, content);
}

asio::awaitable<std::vector<std::byte>> read(db::Executor& executor,
                                             std::vector<ChunkSlice> slices) {
  if (slices.size() == 1) {
    const auto slice = slices.front();
    const db::Rows rows = co_await executor.execute(kReadOne, slice.chunk, slice.skip, slice.size);
    co_return rows.empty() ? std::vector<std::byte>{} : db::binary(rows.one(), "bytes");
  }
  std::vector<ChunkId> ids;
  std::vector<std::int32_t> skips;
  std::vector<std::int32_t> sizes;
  for (const auto& slice : slices) {
    ids.push_back(slice.chunk);
    skips.push_back(slice.skip);
    sizes.push_back(slice.size);
  }
  const db::Rows rows = co_await executor.execute(kRead, ids, skips, sizes);
  co_return db::binary(rows.one(), "bytes");
}

asio::awaitable<void> remove(db::Executor& executor, std::vector<ChunkId> ids) {
  co_await executor.execute(kRemove, ids);
}

asio::awaitable<std::int64_t> stored_bytes(db::Executor& executor) {
  const db::Rows rows = co_await executor.execute(kStoredBytes);
  co_return rows.one().get<std::int64_t>("bytes");
}

asio::awaitable<std::optional<std::string>> find_folder(db::Executor& executor) {
  const db::Rows rows = co_await executor.execute(kFindFolder);
  co_return rows.optional([](const db::Row& row) { return row.get<std::string>("setting"); });
}

}  // namespace infernode::chunk_dao
