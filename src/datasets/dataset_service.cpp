#include "datasets/dataset_service.hpp"

#include "db/connection.hpp"

namespace infernode {
namespace {

Error not_found() {
  return {ErrorCode::not_found, "There is no such dataset."};
}

Error name_taken() {
  Error error{ErrorCode::conflict, "You have a dataset of this name already."};
  error.fields.push_back(FieldError{"/name", "is taken"});
  return error;
}

}  // namespace

asio::awaitable<Result<Dataset>> DatasetService::create(UserId user, std::string name,
                                                        std::vector<std::string> tags) {
  auto dataset = co_await datasets_.add(user, std::move(name), std::move(tags));
  if (!dataset) {
    co_return name_taken();
  }
  co_return std::move(*dataset);
}

asio::awaitable<Result<Dataset>> DatasetService::find(UserId user, DatasetId id) {
  auto dataset = co_await datasets_.find_live(user, id);
  if (!dataset) {
    co_return not_found();
  }
  co_return std::move(*dataset);
}

asio::awaitable<std::vector<Dataset>> DatasetService::list(UserId user, DatasetFilter filter,
                                                           PageRequest page) {
  co_return co_await datasets_.list(user, std::move(filter), page);
}

asio::awaitable<Result<Dataset>> DatasetService::update(
    UserId user, DatasetId id, std::optional<std::string> name,
    std::optional<std::vector<std::string>> tags, std::optional<Timestamp> if_updated_at) {
  std::optional<Dataset> dataset;
  try {
    dataset =
        co_await datasets_.update_live(user, id, std::move(name), std::move(tags), if_updated_at);
  } catch (const db::SqlError& error) {
    if (!error.is_unique_violation()) {
      throw;
    }
    co_return name_taken();
  }
  if (dataset) {
    co_return std::move(*dataset);
  }
  const auto present = co_await datasets_.find_live(user, id);
  if (if_updated_at && present) {
    co_return Error{ErrorCode::precondition_failed,
                    "The dataset has changed meanwhile; read it again first."};
  }
  co_return not_found();
}

asio::awaitable<Result<void>> DatasetService::remove(UserId user, DatasetId id) {
  const bool removed = co_await datasets_.soft_delete(user, id);
  if (!removed) {
    co_return not_found();
  }
  co_return Result<void>{};
}

asio::awaitable<Result<Dataset>> DatasetService::restore(UserId user, DatasetId id) {
  std::optional<Dataset> dataset;
  try {
    dataset = co_await datasets_.restore(user, id);
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

asio::awaitable<std::vector<Tag>> DatasetService::list_tags(UserId user) {
  co_return co_await datasets_.list_tags(user);
}

}  // namespace infernode
