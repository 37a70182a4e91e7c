#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <vector>

#include "core/page.hpp"
#include "datasets/dataset.hpp"
#include "db/pool.hpp"

namespace infernode {

namespace asio = boost::asio;

class DatasetRepository {
public:
  explicit DatasetRepository(db::Pool& pool) : pool_{pool} {}

  asio::awaitable<db::Transaction> begin();
  // Adds the dataset and the tags that "Tags" does not have yet; nullopt when the name is taken.
  asio::awaitable<std::optional<Dataset>> add(db::Connection& transaction, UserId user,
                                              std::string name, std::vector<std::string> tags);
  asio::awaitable<std::optional<Dataset>> find_live(db::Connection& transaction, UserId user,
                                                    DatasetId id);
  asio::awaitable<std::optional<Dataset>> find_live(UserId user, DatasetId id);
  // One dataset more than the page holds, when there are more.
  asio::awaitable<std::vector<Dataset>> list(UserId user, DatasetFilter filter, PageRequest page);
  // nullopt when there is no such dataset, or not as of `if_updated_at`. Throws db::SqlError when
  // the name is taken.
  asio::awaitable<std::optional<Dataset>> update_live(UserId user, DatasetId id,
                                                      std::optional<std::string> name,
                                                      std::optional<std::vector<std::string>> tags,
                                                      std::optional<Timestamp> if_updated_at);
  asio::awaitable<bool> soft_delete(db::Connection& transaction, UserId user, DatasetId id);
  asio::awaitable<std::optional<Dataset>> restore(UserId user, DatasetId id);
  asio::awaitable<std::vector<Tag>> list_tags(UserId user);
  // nullopt when there is a tag of that name.
  asio::awaitable<std::optional<Tag>> add_tag(db::Connection& transaction, std::string name);
  // Returns the name; nullopt when there is no such tag.
  asio::awaitable<std::optional<std::string>> remove_tag(db::Connection& transaction, TagId id);

private:
  db::Pool& pool_;
};

}  // namespace infernode
