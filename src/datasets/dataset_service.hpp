#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <vector>

#include "core/error.hpp"
#include "core/page.hpp"
#include "datasets/dataset.hpp"
#include "datasets/dataset_repository.hpp"

namespace infernode {

// A user's datasets. What is deleted, or somebody else's, is not_found.
class DatasetService {
public:
  explicit DatasetService(DatasetRepository& datasets) : datasets_{datasets} {}

  // conflict when the user has a live dataset of that name.
  asio::awaitable<Result<Dataset>> create(UserId user, std::string name,
                                          std::vector<std::string> tags);
  asio::awaitable<Result<Dataset>> find(UserId user, DatasetId id);
  asio::awaitable<std::vector<Dataset>> list(UserId user, DatasetFilter filter, PageRequest page);
  // Changes what is given. precondition_failed when the dataset is no longer as of `if_updated_at`.
  asio::awaitable<Result<Dataset>> update(UserId user, DatasetId id,
                                          std::optional<std::string> name,
                                          std::optional<std::vector<std::string>> tags,
                                          std::optional<Timestamp> if_updated_at);
  asio::awaitable<Result<void>> remove(UserId user, DatasetId id);
  // conflict when the name is taken again.
  asio::awaitable<Result<Dataset>> restore(UserId user, DatasetId id);
  asio::awaitable<std::vector<Tag>> list_tags(UserId user);

private:
  DatasetRepository& datasets_;
};

}  // namespace infernode
