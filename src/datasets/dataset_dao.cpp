#include "datasets/dataset_dao.hpp"

namespace infernode::dataset_dao {
namespace {

using db::Statement;

constexpr Statement kInsert{"datasets.insert", R"sql(
  INSERT INTO "Datasets" ("user_id", "name", "tags") VALUES ($1, $2, $3)
  ON CONFLICT ("user_id", "name") WHERE "deleted_at" IS NULL DO NOTHING
  RETURNING "id", "name", "tags", "deleted_at", "created_at", "updatedAt"
)sql"};
constexpr Statement kFindLive{"datasets.find_live", R"sql(
  SELECT "id", "name", "tags", "deleted_at", "created_at", "updatedAt"
    FROM "Datasets" WHERE "id" = $2 AND "user_id" = $1 AND "deleted_at" IS NULL
)sql"};
constexpr Statement kList{"datasets.list", R"sql(
  SELECT "id", "name", "tags", "deleted_at", "created_at", "updatedAt"
    FROM "Datasets"
   WHERE "user_id" = $1
     AND ("deleted_at" IS NOT NULL) = $2
     AND "tags" @> $3::varchar[]
     AND ($4::text IS NULL OR position(lower($4) IN lower("name")) > 0)
     AND ($5::timestamptz IS NULL OR ("created_at", "id") < ($5, $6::uuid))
   ORDER BY "created_at" DESC, "id" DESC LIMIT $7
)sql"};
constexpr Statement kUpdateLive{"datasets.update_live", R"sql(
  UPDATE "Datasets"
     SET "name" = coalesce($3, "name"), "tags" = coalesce($4::varchar[], "tags"), "updatedAt" = now()
   WHERE "id" = $2 AND "user_id" = $1 AND "deleted_at" IS NULL
     AND ($5::timestamptz IS NULL OR "updatedAt" = $5)
  RETURNING "id", "name", "tags", "deleted_at", "created_at", "updatedAt"
)sql"};
constexpr Statement kSoftDelete{"datasets.soft_delete", R"sql(
  UPDATE "Datasets" SET "deleted_at" = now(), "updatedAt" = now()
   WHERE "id" = $2 AND "user_id" = $1 AND "deleted_at" IS NULL
)sql"};
constexpr Statement kRestore{"datasets.restore", R"sql(
  UPDATE "Datasets" SET "deleted_at" = NULL, "updatedAt" = now()
   WHERE "id" = $2 AND "user_id" = $1 AND "deleted_at" IS NOT NULL
  RETURNING "id", "name", "tags", "deleted_at", "created_at", "updatedAt"
)sql"};
// Sorted, so that two datasets with the same new tags cannot wait for each other in a circle.
constexpr Statement kInsertTags{"tags.insert", R"sql(
  INSERT INTO "Tags" ("name") SELECT name FROM unnest($1::varchar[]) AS name ORDER BY name
  ON CONFLICT ("name") DO NOTHING
)sql"};
constexpr Statement kListTags{"tags.list", R"sql(
  SELECT tag."id", tag."name", count(dataset."id") AS datasets
    FROM "Tags" AS tag
    LEFT JOIN "Datasets" AS dataset
      ON dataset."user_id" = $1 AND dataset."deleted_at" IS NULL AND tag."name" = ANY (dataset."tags")
   GROUP BY tag."id" ORDER BY tag."name"
)sql"};

constexpr Statement kInsertTag{"tags.insert_one", R"sql(
  INSERT INTO "Tags" ("name") VALUES ($1) ON CONFLICT ("name") DO NOTHING RETURNING "id", "name"
)sql"};
constexpr Statement kRemoveTag{"tags.remove", R"sql(
  DELETE FROM "Tags" WHERE "id" = $1 RETURNING "name"
)sql"};

Dataset dataset_from_row(const db::Row& row) {
  return {.id = row.get<DatasetId>("id"),
          .name = row.get<std::string>("name"),
          .tags = row.get<std::vector<std::string>>("tags"),
          .deleted_at = row.get<std::optional<Timestamp>>("deleted_at"),
          .created_at = row.get<Timestamp>("created_at"),
          .updated_at = row.get<Timestamp>("updatedAt")};
}

std::optional<Dataset> dataset_from_rows(const db::Rows& rows) {
  return rows.empty() ? std::nullopt : std::optional<Dataset>{dataset_from_row(rows.one())};
}

}  // namespace

asio::awaitable<std::optional<Dataset>> insert(db::Connection& connection, UserId user,
                                               std::string name, std::vector<std::string> tags) {
  const db::Rows rows = co_await connection.execute(kInsert, user, name, tags);
  co_return dataset_from_rows(rows);
}

asio::awaitable<std::optional<Dataset>> find_live(db::Connection& connection, UserId user,
                                                  DatasetId id) {
  const db::Rows rows = co_await connection.execute(kFindLive, user, id);
  co_return dataset_from_rows(rows);
}

asio::awaitable<std::vector<Dataset>> list(db::Connection& connection, UserId user,
                                           DatasetFilter filter, std::optional<Cursor> after,
                                           int limit) {
  const db::Rows rows = co_await connection.execute(
      kList, user, filter.deleted, filter.tags, filter.name, time_of(after), id_of(after), limit);
  std::vector<Dataset> datasets;
  for (int i = 0; i < rows.size(); ++i) {
    datasets.push_back(dataset_from_row(rows[i]));
  }
  co_return datasets;
}

asio::awaitable<std::optional<Dataset>> update_live(db::Connection& connection, UserId user,
                                                    DatasetId id, std::optional<std::string> name,
                                                    std::optional<std::vector<std::string>> tags,
                                                    std::optional<Timestamp> if_updated_at) {
  const db::Rows rows =
      co_await connection.execute(kUpdateLive, user, id, name, tags, if_updated_at);
  co_return dataset_from_rows(rows);
}

asio::awaitable<bool> soft_delete(db::Connection& connection, UserId user, DatasetId id) {
  const db::Rows rows = co_await connection.execute(kSoftDelete, user, id);
  co_return rows.affected() == 1;
}

asio::awaitable<std::optional<Dataset>> restore(db::Connection& connection, UserId user,
                                                DatasetId id) {
  const db::Rows rows = co_await connection.execute(kRestore, user, id);
  co_return dataset_from_rows(rows);
}

asio::awaitable<void> insert_tags(db::Connection& connection, std::vector<std::string> names) {
  co_await connection.execute(kInsertTags, names);
}

asio::awaitable<std::vector<Tag>> list_tags(db::Connection& connection, UserId user) {
  const db::Rows rows = co_await connection.execute(kListTags, user);
  std::vector<Tag> tags;
  for (int i = 0; i < rows.size(); ++i) {
    tags.push_back(Tag{rows[i].get<TagId>("id"), rows[i].get<std::string>("name"),
                       rows[i].get<std::int64_t>("datasets")});
  }
  co_return tags;
}

asio::awaitable<std::optional<Tag>> insert_tag(db::Connection& transaction, std::string name) {
  const db::Rows rows = co_await transaction.execute(kInsertTag, name);
  if (rows.empty()) {
    co_return std::nullopt;
  }
  Tag tag{rows.one().get<TagId>("id"), rows.one().get<std::string>("name")};
  co_return tag;
}

asio::awaitable<std::optional<std::string>> remove_tag(db::Connection& transaction, TagId id) {
  const db::Rows rows = co_await transaction.execute(kRemoveTag, id);
  co_return rows.empty() ? std::nullopt : std::optional{rows.one().get<std::string>("name")};
}

}  // namespace infernode::dataset_dao
