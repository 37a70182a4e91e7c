#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/page.hpp"
#include "datasets/dataset.hpp"
#include "db/connection.hpp"

// Statements on "Datasets" and "Tags", one a function. Every one of them takes the owner: what
// belongs to somebody else does not exist.
namespace infernode::dataset_dao {

namespace asio = boost::asio;

// nullopt when the user has a live dataset of that name.
asio::awaitable<std::optional<Dataset>> insert(db::Connection& connection, UserId user,
                                               std::string name, std::vector<std::string> tags);
asio::awaitable<std::optional<Dataset>> find_live(db::Connection& connection, UserId user,
                                                  DatasetId id);
asio::awaitable<std::vector<Dataset>> list(db::Connection& connection, UserId user,
                                           DatasetFilter filter, std::optional<Cursor> after,
                                           int limit);
// Throws db::SqlError (unique violation) when the name is taken.
asio::awaitable<std::optional<Dataset>> update_live(db::Connection& connection, UserId user,
                                                    DatasetId id, std::optional<std::string> name,
                                                    std::optional<std::vector<std::string>> tags,
                                                    std::optional<Timestamp> if_updated_at);
asio::awaitable<bool> soft_delete(db::Connection& connection, UserId user, DatasetId id);
// Throws db::SqlError (unique violation) when the name is taken again.
asio::awaitable<std::optional<Dataset>> restore(db::Connection& connection, UserId user,
                                                DatasetId id);
asio::awaitable<void> insert_tags(db::Connection& connection, std::vector<std::string> names);
asio::awaitable<std::vector<Tag>> list_tags(db::Connection& connection, UserId user);
// nullopt when there is a tag of that name.
asio::awaitable<std::optional<Tag>> insert_tag(db::Connection& transaction, std::string name);
// Returns the name; nullopt when there is no such tag. Datasets keep what they bear.
asio::awaitable<std::optional<std::string>> remove_tag(db::Connection& transaction, TagId id);

}  // namespace infernode::dataset_dao
