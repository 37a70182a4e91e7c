#include "datasets/dataset_service.hpp"

#include "datasets/dataset_dao.hpp"
#include "datasets/dataset_repository.hpp"

namespace infernode {
namespace {

constexpr int kPurgedBatch = 10;

Error not_found() {
  return {ErrorCode::not_found, "There is no such dataset."};
}

Error name_taken() {
  Error error{ErrorCode::conflict, "You have a dataset of this name already."};
  error.fields.push_back(FieldError{"/name", "is taken"});
  return error;
}

Error too_many_tags() {
  Error error{
      ErrorCode::invalid,
      "Your datasets have 1,000 different tags, which is as many as there may be: take one of "
      "them, or remove some."};
  error.fields.push_back(FieldError{"/tags", "brings a new one along"});
  return error;
}

}  // namespace

asio::awaitable<Result<Dataset>> DatasetService::create(db::Transaction& transaction, UserId user,
                                                        std::string name,
                                                        std::vector<std::string> tags) {
  try {
    auto dataset =
        co_await dataset_repository::add(transaction, user, std::move(name), std::move(tags));
    if (!dataset) {
      co_return name_taken();
    }
    co_return std::move(*dataset);
  } catch (const dataset_dao::TooManyTags&) {
    co_return too_many_tags();
  }
}

asio::awaitable<Result<Dataset>> DatasetService::find(UserId user, DatasetId id) {
  co_return co_await find(database_, user, id);
}

asio::awaitable<Result<Dataset>> DatasetService::find(db::Executor& executor, UserId user,
                                                      DatasetId id) {
  auto dataset = co_await dataset_dao::find_live(executor, user, id);
  if (!dataset) {
    co_return not_found();
  }
  co_return std::move(*dataset);
}

asio::awaitable<std::vector<Dataset>> DatasetService::list(UserId user, DatasetFilter filter,
                                                           PageRequest page) {
  co_return co_await dataset_dao::list(database_, user, std::move(filter), page.after,
                                       page.limit + 1);
}

asio::awaitable<Result<Dataset>> DatasetService::update(
    UserId user, DatasetId id, std::optional<std::string> name,
    std::optional<std::vector<std::string>> tags, std::optional<Timestamp> if_updated_at) {
  std::optional<Dataset> dataset;
  try {
    auto transaction = co_await database_.begin();
    dataset = co_await dataset_repository::update_live(transaction, user, id, std::move(name),
                                                       std::move(tags), if_updated_at);
    co_await transaction.commit();
  } catch (const db::SqlError& error) {
    if (!error.is_unique_violation()) {
      throw;
    }
    co_return name_taken();
  } catch (const dataset_dao::TooManyTags&) {
    co_return too_many_tags();
  }
  if (dataset) {
    co_return std::move(*dataset);
  }
  const auto present = co_await dataset_dao::find_live(database_, user, id);
  if (if_updated_at && present) {
    co_return Error{ErrorCode::precondition_failed,
                    "The dataset has changed meanwhile; read it again first."};
  }
  co_return not_found();
}

asio::awaitable<Result<void>> DatasetService::remove(UserId user, DatasetId id) {
  auto transaction = co_await database_.begin();
  const bool removed = co_await dataset_dao::soft_delete(transaction, user, id);
  if (!removed) {
    co_return not_found();
  }
  // New work takes a share of the dataset's row, so none can begin behind our back.
  co_await end_work_(transaction, id);
  co_await transaction.commit();
  co_return Result<void>{};
}

asio::awaitable<Result<void>> DatasetService::purge(UserId user, DatasetId id) {
  auto transaction = co_await database_.begin();
  const bool marked = co_await dataset_dao::mark_purged(transaction, user, id);
  if (!marked) {
    const auto live = co_await dataset_dao::find_live(transaction, user, id);
    if (live) {
      co_return Error{ErrorCode::conflict, "Delete the dataset first; then it can be purged."};
    }
    co_return not_found();
  }
  dataset_dao::disown_blobs(transaction, user, id);
  co_await transaction.commit();
  co_return Result<void>{};
}

asio::awaitable<std::int64_t> DatasetService::sweep_tags() {
  auto transaction = co_await database_.begin();
  const auto removed = co_await dataset_dao::remove_unused_tags(transaction);
  co_await transaction.commit();
  co_return removed;
}

asio::awaitable<std::vector<DatasetId>> DatasetService::list_purged() {
  co_return co_await dataset_dao::list_purged(database_, kPurgedBatch);
}

asio::awaitable<void> DatasetService::remove_purged(DatasetId id) {
  co_await dataset_dao::remove_purged(database_, id);
}

asio::awaitable<Result<Dataset>> DatasetService::restore(UserId user, DatasetId id) {
  std::optional<Dataset> dataset;
  try {
    dataset = co_await dataset_dao::restore(database_, user, id);
  } catch (const db::SqlError& error) {
    if (!error.is_unique_violation()) {
      throw;
    }
    co_return name_taken();
  }
  if (!dataset) {
    co_return not_found();
  }
  co_return std::move(*dataset);
}

asio::awaitable<std::vector<Tag>> DatasetService::list_tags(UserId user,
                                                            std::optional<std::string> part,
                                                            PageRequest page) {
  co_return co_await dataset_dao::list_tags(database_, user, std::move(part), page.after,
                                            page.limit + 1);
}

asio::awaitable<Result<Tag>> DatasetService::create_tag(db::Transaction& transaction, UserId admin,
                                                        std::string name) {
  auto tag = co_await dataset_dao::insert_tag(transaction, std::move(name));
  if (!tag) {
    Error error{ErrorCode::conflict, "There is a tag of this name already."};
    error.fields.push_back(FieldError{"/name", "is taken"});
    co_return error;
  }
  AuditedAct act{.admin = admin,
                 .action = "tag.create",
                 .details = {{"id", tag->id.to_string()}, {"name", tag->name}}};
  audit_.record(transaction, act);
  co_return std::move(*tag);
}

asio::awaitable<Result<void>> DatasetService::remove_tag(UserId admin, TagId id) {
  auto transaction = co_await database_.begin();
  const auto name = co_await dataset_dao::remove_tag(transaction, id);
  if (!name) {
    co_return Error{ErrorCode::not_found, "There is no such tag."};
  }
  AuditedAct act{
      .admin = admin, .action = "tag.delete", .details = {{"id", id.to_string()}, {"name", *name}}};
  audit_.record(transaction, act);
  co_await transaction.commit();
  co_return Result<void>{};
}

}  // namespace infernode
