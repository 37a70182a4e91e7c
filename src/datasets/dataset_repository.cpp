#include "datasets/dataset_repository.hpp"

#include "datasets/dataset_dao.hpp"

namespace infernode {

asio::awaitable<std::optional<Dataset>> DatasetRepository::add(UserId user, std::string name,
                                                               std::vector<std::string> tags) {
  const auto transaction = co_await pool_.begin();
  auto dataset = co_await dataset_dao::insert(*transaction, user, std::move(name), tags);
  if (dataset) {
    co_await dataset_dao::insert_tags(*transaction, std::move(tags));
    co_await transaction.commit();
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

asio::awaitable<bool> DatasetRepository::soft_delete(UserId user, DatasetId id) {
  const auto connection = co_await pool_.acquire();
  co_return co_await dataset_dao::soft_delete(*connection, user, id);
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
