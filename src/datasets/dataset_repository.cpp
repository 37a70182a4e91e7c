#include "datasets/dataset_repository.hpp"

#include "datasets/dataset_dao.hpp"

namespace infernode::dataset_repository {
namespace {

constexpr int kMostTags = 1000;  // different ones of a user

}  // namespace

asio::awaitable<std::optional<Dataset>> add(db::Transaction& transaction, UserId user,
                                            std::string name, std::vector<std::string> tags) {
  if (!tags.empty()) {
    dataset_dao::insert_tags(transaction, user, tags, kMostTags);
  }
  co_return co_await dataset_dao::insert(transaction, user, std::move(name), std::move(tags));
}

asio::awaitable<std::optional<Dataset>> update_live(db::Transaction& transaction, UserId user,
                                                    DatasetId id, std::optional<std::string> name,
                                                    std::optional<std::vector<std::string>> tags,
                                                    std::optional<Timestamp> if_updated_at) {
  if (tags && !tags->empty()) {
    dataset_dao::insert_tags(transaction, user, *tags, kMostTags);
  }
  co_return co_await dataset_dao::update_live(transaction, user, id, std::move(name),
                                              std::move(tags), if_updated_at);
}

}  // namespace infernode::dataset_repository
