#include "datasets/dataset_repository.hpp"

#include "datasets/dataset_dao.hpp"

namespace infernode::dataset_repository {

asio::awaitable<std::optional<Dataset>> add(db::Transaction& transaction, UserId user,
                                            std::string name, std::vector<std::string> tags) {
  auto dataset = co_await dataset_dao::insert(transaction, user, std::move(name), tags);
  if (dataset) {
    dataset_dao::insert_tags(transaction, tags);
  }
  co_return dataset;
}

asio::awaitable<std::optional<Dataset>> update_live(db::Transaction& transaction, UserId user,
                                                    DatasetId id, std::optional<std::string> name,
                                                    std::optional<std::vector<std::string>> tags,
                                                    std::optional<Timestamp> if_updated_at) {
  auto dataset = co_await dataset_dao::update_live(transaction, user, id, std::move(name), tags,
                                                   if_updated_at);
  if (dataset && tags) {
    dataset_dao::insert_tags(transaction, *tags);
  }
  co_return dataset;
}

}  // namespace infernode::dataset_repository
