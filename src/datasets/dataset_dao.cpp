#include "datasets/dataset_dao.hpp"

namespace infernode::dataset_dao {
namespace {

using db::sql;
using db::Statement;

constexpr db::Text kColumns{
    R"sql("id", "name", "tags", "deleted_at", "created_at", "updatedAt")sql"};

constexpr Statement kInsert{"datasets.insert", sql<R"sql(
  INSERT INTO "Datasets" ("user_id", "name", "tags") VALUES ($1, $2, $3)
  ON CONFLICT ("user_id", "name") WHERE "deleted_at" IS NULL DO NOTHING
  RETURNING )sql",
                                                   kColumns, R"sql(
)sql">};
constexpr Statement kFindLive{"datasets.find_live", sql<R"sql(
  SELECT )sql",
                                                        kColumns, R"sql(
    FROM "Datasets" WHERE "id" = $2 AND "user_id" = $1 AND "deleted_at" IS NULL
)sql">};
// Without the test for no tags a generic plan reads the whole index of everybody's tags.
constexpr Statement kList{"datasets.list", sql<R"sql(
  SELECT )sql",
                                               kColumns, R"sql(
    FROM "Datasets"
   WHERE "user_id" = $1
     AND ("deleted_at" IS NOT NULL) = $2 AND "purged_at" IS NULL
     AND (cardinality($3::varchar[]) = 0 OR "tags" @> $3)
     AND ($4::text IS NULL OR position(lower($4) IN lower("name")) > 0)
     AND ("created_at", "id") < ($5::timestamptz, $6::uuid)
   ORDER BY "created_at" DESC, "id" DESC LIMIT $7
)sql">};
constexpr Statement kUpdateLive{"datasets.update_live", sql<R"sql(
  UPDATE "Datasets"
     SET "name" = coalesce($3, "name"), "tags" = coalesce($4::varchar[], "tags"), "updatedAt" = now()
   WHERE "id" = $2 AND "user_id" = $1 AND "deleted_at" IS NULL
     AND ($5::timestamptz IS NULL OR "updatedAt" = $5)
  RETURNING )sql",
                                                            kColumns, R"sql(
)sql">};
constexpr Statement kSoftDelete{"datasets.soft_delete", R"sql(
  UPDATE "Datasets" SET "deleted_at" = now(), "updatedAt" = now()
   WHERE "id" = $2 AND "user_id" = $1 AND "deleted_at" IS NULL
)sql"};
constexpr Statement kRestore{"datasets.restore", sql<R"sql(
  UPDATE "Datasets" SET "deleted_at" = NULL, "updatedAt" = now()
   WHERE "id" = $2 AND "user_id" = $1 AND "deleted_at" IS NOT NULL AND "purged_at" IS NULL
  RETURNING )sql",
                                                     kColumns, R"sql(
)sql">};
constexpr Statement kMarkPurged{"datasets.mark_purged", R"sql(
  UPDATE "Datasets" SET "purged_at" = now()
   WHERE "id" = $2 AND "user_id" = $1 AND "deleted_at" IS NOT NULL AND "purged_at" IS NULL
)sql"};
// Whoever comes to share a file of these waits (see share_video_file).
constexpr Statement kLockSharing{"datasets.lock_sharing", R"sql(
  SELECT pg_advisory_xact_lock(1396788549, hashtext($1::uuid::text))
)sql"};
// In the order of ids, as everybody who locks several of them. A file that a video of another
// dataset shares stays.
constexpr Statement kDisownBlobs{"datasets.disown_blobs", R"sql(
  WITH owned AS (
    SELECT blob."id" FROM "Blobs" AS blob
     WHERE blob."id" IN (
       SELECT "file" FROM "Videos" AS video
        WHERE "dataset_id" = $1
          AND NOT EXISTS (SELECT FROM "Videos" AS same JOIN "Datasets" AS other ON other."id" = same."dataset_id"
                           WHERE same."file" = video."file" AND other."purged_at" IS NULL)
       UNION ALL SELECT "file" FROM "Uploads" WHERE "dataset_id" = $1
       UNION ALL
       SELECT unnest(ARRAY[result."image_zip", result."frames", result."image_index", result."video"])
         FROM "InferenceJobs" AS job JOIN "Results" AS result ON result."inferenceJob_id" = job."id"
        WHERE job."dataset_id" = $1)
     ORDER BY blob."id" FOR UPDATE)
  UPDATE "Blobs" AS blob SET "user_id" = NULL, "counted" = 0 FROM owned WHERE blob."id" = owned."id"
)sql"};
// In no order, so that some which cannot be emptied do not stand before the others for ever.
constexpr Statement kListPurged{"datasets.list_purged", R"sql(
  SELECT "id" FROM "Datasets" WHERE "purged_at" IS NOT NULL ORDER BY random() LIMIT $1
)sql"};
constexpr Statement kRemovePurged{"datasets.remove_purged", R"sql(
  DELETE FROM "Datasets" WHERE "id" = $1 AND "purged_at" IS NOT NULL
)sql"};
// Sorted, so that two datasets with the same new tags cannot wait for each other in a circle.
constexpr Statement kInsertTags{"tags.insert", R"sql(
  WITH made AS (
    INSERT INTO "Tags" ("name") SELECT name FROM unnest($2::varchar[]) AS name ORDER BY name
    ON CONFLICT ("name") DO NOTHING RETURNING 1)
  SELECT CASE WHEN EXISTS (SELECT FROM made)
              THEN (SELECT count(DISTINCT tag) FROM "Datasets", unnest("tags") AS tag
                     WHERE "user_id" = $1 AND "purged_at" IS NULL)
              ELSE 0 END AS own
)sql"};
// Who brings a tag along has said so under this table's lock, and is waited for.
constexpr Statement kLockTags{"tags.lock",
                              R"sql(LOCK TABLE "Tags" IN SHARE ROW EXCLUSIVE MODE)sql"};
constexpr Statement kRemoveUnusedTags{"tags.remove_unused", R"sql(
  DELETE FROM "Tags" AS tag
   WHERE NOT tag."shared"
     AND NOT EXISTS (SELECT FROM "Datasets" WHERE "tags" @> ARRAY[tag."name"])
)sql"};
constexpr Statement kListTags{"tags.list", R"sql(
  WITH own AS (
    SELECT tag AS name, count(*) AS datasets
      FROM "Datasets" CROSS JOIN unnest("tags") AS tag
     WHERE "user_id" = $1 AND "deleted_at" IS NULL GROUP BY tag)
  SELECT tag."id", tag."name", coalesce(own.datasets, 0) AS datasets, tag."createdAt"
    FROM "Tags" AS tag LEFT JOIN own ON own.name = tag."name"
   WHERE (tag."shared" OR own.name IS NOT NULL)
     AND ($2::text IS NULL OR position(lower($2) IN lower(tag."name")) > 0)
     AND (tag."createdAt", tag."id") < ($3::timestamptz, $4::uuid)
   ORDER BY tag."createdAt" DESC, tag."id" DESC LIMIT $5
)sql"};

constexpr Statement kInsertTag{"tags.insert_one", R"sql(
  INSERT INTO "Tags" AS tag ("name", "shared") VALUES ($1, true)
  ON CONFLICT ("name") DO UPDATE SET "shared" = true, "updatedAt" = now() WHERE NOT tag."shared"
  RETURNING "id", "name"
)sql"};
constexpr Statement kRemoveTag{"tags.remove", R"sql(
  UPDATE "Tags" SET "shared" = false, "updatedAt" = now() WHERE "id" = $1 AND "shared" RETURNING "name"
)sql"};

Dataset dataset_from_row(const db::Row& row) {
  return {.id = row.get<DatasetId>("id"),
          .name = row.get<std::string>("name"),
          .tags = row.get<std::vector<std::string>>("tags"),
          .deleted_at = row.get<std::optional<Timestamp>>("deleted_at"),
          .created_at = row.get<Timestamp>("created_at"),
          .updated_at = row.get<Timestamp>("updatedAt")};
}

}  // namespace

asio::awaitable<std::optional<Dataset>> insert(db::Executor& executor, UserId user,
                                               std::string name, std::vector<std::string> tags) {
  const db::Rows rows = co_await executor.execute(kInsert, user, name, tags);
  co_return rows.optional(dataset_from_row);
}

asio::awaitable<std::optional<Dataset>> find_live(db::Executor& executor, UserId user,
                                                  DatasetId id) {
  const db::Rows rows = co_await executor.execute(kFindLive, user, id);
  co_return rows.optional(dataset_from_row);
}

asio::awaitable<std::vector<Dataset>> list(db::Executor& executor, UserId user,
                                           DatasetFilter filter, std::optional<Cursor> after,
                                           int limit) {
  const db::Rows rows =
      co_await executor.execute(kList, user, filter.deleted, filter.tags, filter.name,
                                time_before(after), id_before(after), limit);
  co_return rows.all(dataset_from_row);
}

asio::awaitable<std::optional<Dataset>> update_live(db::Executor& executor, UserId user,
                                                    DatasetId id, std::optional<std::string> name,
                                                    std::optional<std::vector<std::string>> tags,
                                                    std::optional<Timestamp> if_updated_at) {
  const db::Rows rows = co_await executor.execute(kUpdateLive, user, id, name, tags, if_updated_at);
  co_return rows.optional(dataset_from_row);
}

asio::awaitable<bool> soft_delete(db::Executor& executor, UserId user, DatasetId id) {
  const db::Rows rows = co_await executor.execute(kSoftDelete, user, id);
  co_return rows.affected() == 1;
}

asio::awaitable<std::optional<Dataset>> restore(db::Executor& executor, UserId user, DatasetId id) {
  const db::Rows rows = co_await executor.execute(kRestore, user, id);
  co_return rows.optional(dataset_from_row);
}

asio::awaitable<bool> mark_purged(db::Transaction& transaction, UserId user, DatasetId id) {
  const db::Rows rows = co_await transaction.execute(kMarkPurged, user, id);
  co_return rows.affected() == 1;
}

void disown_blobs(db::Transaction& transaction, UserId user, DatasetId id) {
  transaction.queue(kLockSharing, user);
  transaction.queue(kDisownBlobs, id);
}

asio::awaitable<std::vector<DatasetId>> list_purged(db::Executor& executor, int limit) {
  const db::Rows rows = co_await executor.execute(kListPurged, limit);
  co_return rows.all([](const db::Row& row) { return row.get<DatasetId>("id"); });
}

asio::awaitable<void> remove_purged(db::Executor& executor, DatasetId id) {
  co_await executor.execute(kRemovePurged, id);
}

void insert_tags(db::Transaction& transaction, UserId user, const std::vector<std::string>& names,
                 int most) {
  transaction.queue(db::command(kInsertTags, user, names), [most](const db::Rows& rows) {
    if (rows.one().get<std::int64_t>("own") >= most) {
      throw TooManyTags("the user has as many tags as there may be");
    }
  });
}

asio::awaitable<std::int64_t> remove_unused_tags(db::Transaction& transaction) {
  transaction.queue(kLockTags);
  const db::Rows rows = co_await transaction.execute(kRemoveUnusedTags);
  co_return rows.affected();
}

asio::awaitable<std::vector<Tag>> list_tags(db::Executor& executor, UserId user,
                                            std::optional<std::string> part,
                                            std::optional<Cursor> after, int limit) {
  const db::Rows rows =
      co_await executor.execute(kListTags, user, part, time_before(after), id_before(after), limit);
  co_return rows.all([](const db::Row& row) {
    return Tag{row.get<TagId>("id"), row.get<std::string>("name"),
               row.get<std::int64_t>("datasets"), row.get<Timestamp>("createdAt")};
  });
}

asio::awaitable<std::optional<Tag>> insert_tag(db::Transaction& transaction, std::string name) {
  const db::Rows rows = co_await transaction.execute(kInsertTag, name);
  if (rows.empty()) {
    co_return std::nullopt;
  }
  Tag tag{rows.one().get<TagId>("id"), rows.one().get<std::string>("name")};
  co_return tag;
}

asio::awaitable<std::optional<std::string>> remove_tag(db::Transaction& transaction, TagId id) {
  const db::Rows rows = co_await transaction.execute(kRemoveTag, id);
  co_return rows.empty() ? std::nullopt : std::optional{rows.one().get<std::string>("name")};
}

}  // namespace infernode::dataset_dao
