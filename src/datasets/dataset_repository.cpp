#include "datasets/dataset_repository.hpp"

#include "datasets/dataset_dao.hpp"

namespace infernode {

asio::awaitable<std::optional<Dataset>> DatasetRepository::add(db::Connection& transaction,
                                                               UserId user, std::string name,
                                                               std::vector<std::string> tags) {
  auto dataset = co_await dataset_dao::insert(transaction, user, std::move(name), tags);
  if (dataset) {
    co_await dataset_dao::insert_tags(transaction, std::move(tags));
  }
  co_return dataset;
}

asio::awaitable<std::optional<Dataset>> DatasetRepository::find_live(UserId user, DatasetId id) {
  const auto connection = co_await pool_.acquire();
  co_return co_await dataset_dao::find_live(*connection, user, id);
}

asio::awaitable<std::vector<Dataset>> DatasetRepository::list(UserId user, DatasetFilter filter,
                                                              PageRequest page) {
  const auto connection = co_await pool_.acquire();
  co_return co_await dataset_dao::list(*connection, user, std::move(filter), page.after,
                                       page.limit + 1);
}

asio::awaitable<std::optional<Dataset>> DatasetRepository::update_live(
    UserId user, DatasetId id, std::optional<std::string> name,
    std::optional<std::vector<std::string>> tags, std::optional<Timestamp> if_updated_at) {
  const auto transaction = co_await pool_.begin();
  auto dataset = co_await dataset_dao::update_live(*transaction, user, id, std::move(name), tags,
                                                   if_updated_at);
  if (dataset) {
    if (tags) {
      co_await dataset_dao::insert_tags(*transaction, std::move(*tags));
    }
    co_await transaction.commit();
  }
  co_return dataset;
}

asio::awaitable<std::optional<Dataset>> DatasetRepository::find_live(db::Connection& transaction,
                                                                     UserId user, DatasetId id) {
  co_return co_await dataset_dao::find_live(transaction, user, id);
}

asio::awaitable<db::Transaction> DatasetRepository::begin() {
  co_return co_await pool_.begin();
}

asio::awaitable<bool> DatasetRepository::soft_delete(db::Connection& transaction, UserId user,
                                                     DatasetId id) {
  co_return co_await dataset_dao::soft_delete(transaction, user, id);
}

asio::awaitable<std::optional<Tag>> DatasetRepository::add_tag(db::Connection& transaction,
                                                               std::string name) {
  co_return co_await dataset_dao::insert_tag(transaction, std::move(name));
}

asio::awaitable<std::optional<std::string>> DatasetRepository::remove_tag(
    db::Connection& transaction, TagId id) {
  co_return co_await dataset_dao::remove_tag(transaction, id);
}

asio::awaitable<std::optional<Dataset>> DatasetRepository::restore(UserId user, DatasetId id) {
  const auto connection = co_await pool_.acquire();
  co_return co_await dataset_dao::restore(*connection, user, id);
}

asio::awaitable<std::vector<Tag>> DatasetRepository::list_tags(UserId user) {
  const auto connection = co_await pool_.acquire();
  co_return co_await dataset_dao::list_tags(*connection, user);
}

}  // namespace infernode
