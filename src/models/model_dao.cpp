#include "models/model_dao.hpp"

namespace infernode::model_dao {
namespace {

using db::Statement;

constexpr Statement kList{"models.list", R"sql(
  SELECT "name", "manifest", "file", "file_bytes", "sha256", "created_at" FROM "Models" ORDER BY "name"
)sql"};
constexpr Statement kFind{"models.find", R"sql(
  SELECT "name", "manifest", "file", "file_bytes", "sha256", "created_at" FROM "Models" WHERE "name" = $1
)sql"};
constexpr Statement kPicture{"models.picture", R"sql(
  SELECT "picture" FROM "Models" WHERE "name" = $1
)sql",
                             true};
constexpr Statement kInsert{"models.insert", R"sql(
  INSERT INTO "Models" ("name", "manifest", "file", "file_bytes", "sha256", "picture")
  VALUES ($1, $2, $3, $4, $5, $6) RETURNING pg_notify('infernode_models', '')
)sql"};
constexpr Statement kDelete{"models.delete", R"sql(
  DELETE FROM "Models" WHERE "name" = $1 RETURNING pg_notify('infernode_models', '')
)sql"};

StoredModel model_from_row(const db::Row& row) {
  StoredModel model;
  model.name = row.get<std::string>("name");
  model.manifest = row.get<std::string>("manifest");
  model.file = row.get<BlobId>("file");
  model.file_bytes = row.get<std::int64_t>("file_bytes");
  model.sha256 = row.get<std::string>("sha256");
  model.created_at = row.get<Timestamp>("created_at");
  return model;
}

}  // namespace

asio::awaitable<std::vector<StoredModel>> list(db::Executor& executor) {
  const db::Rows rows = co_await executor.execute(kList);
  co_return rows.all(model_from_row);
}

asio::awaitable<std::optional<StoredModel>> find(db::Executor& executor, std::string name) {
  const db::Rows rows = co_await executor.execute(kFind, name);
  co_return rows.empty() ? std::nullopt : std::optional{model_from_row(rows.one())};
}

asio::awaitable<std::vector<std::byte>> picture_of(db::Executor& executor, std::string name) {
  const db::Rows rows = co_await executor.execute(kPicture, name);
  co_return rows.empty() ? std::vector<std::byte>{} : db::binary(rows.one(), "picture");
}

void insert(db::Transaction& transaction, const std::string& name, const NewModel& model) {
  transaction.queue(kInsert, name, model.manifest, model.file, model.file_bytes, model.sha256,
                    db::Bytes{model.picture});
}

asio::awaitable<bool> remove(db::Transaction& transaction, std::string name) {
  const db::Rows rows = co_await transaction.execute(kDelete, name);
  co_return !rows.empty();
}

}  // namespace infernode::model_dao
