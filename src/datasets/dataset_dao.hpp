#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/page.hpp"
#include "datasets/dataset.hpp"
#include "db/pool.hpp"

// Statements on "Datasets" and "Tags", one a function. Every one of them takes the owner: what
// belongs to somebody else does not exist.
namespace infernode::dataset_dao {

namespace asio = boost::asio;

// nullopt when the user has a live dataset of that name.
asio::awaitable<std::optional<Dataset>> insert(db::Executor& executor, UserId user,
                                               std::string name, std::vector<std::string> tags);
asio::awaitable<std::optional<Dataset>> find_live(db::Executor& executor, UserId user,
                                                  DatasetId id);
asio::awaitable<std::vector<Dataset>> list(db::Executor& executor, UserId user,
                                           DatasetFilter filter, std::optional<Cursor> after,
                                           int limit);
// Throws db::SqlError (unique violation) when the name is taken.
asio::awaitable<std::optional<Dataset>> update_live(db::Executor& executor, UserId user,
                                                    DatasetId id, std::optional<std::string> name,
                                                    std::optional<std::vector<std::string>> tags,
                                                    std::optional<Timestamp> if_updated_at);
asio::awaitable<bool> soft_delete(db::Executor& executor, UserId user, DatasetId id);
// Throws db::SqlError (unique violation) when the name is taken again.
asio::awaitable<std::optional<Dataset>> restore(db::Executor& executor, UserId user, DatasetId id);
void insert_tags(db::Transaction& transaction, const std::vector<std::string>& names);
asio::awaitable<std::vector<Tag>> list_tags(db::Executor& executor, UserId user);
// nullopt when there is a tag of that name.
asio::awaitable<std::optional<Tag>> insert_tag(db::Transaction& transaction, std::string name);
// Returns the name; nullopt when there is no such tag. Datasets keep what they bear.
asio::awaitable<std::optional<std::string>> remove_tag(db::Transaction& transaction, TagId id);

}  // namespace infernode::dataset_dao
