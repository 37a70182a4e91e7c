#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>
#include <vector>

#include "datasets/dataset.hpp"
#include "db/pool.hpp"

// Datasets together with the tags that they bring along. add() and update_live() throw
// dataset_dao::TooManyTags for a new one of a user who has 1,000 different ones.
namespace infernode::dataset_repository {

namespace asio = boost::asio;

// nullopt when the user has a live dataset of that name.
asio::awaitable<std::optional<Dataset>> add(db::Transaction& transaction, UserId user,
                                            std::string name, std::vector<std::string> tags);
// Changes what is given. nullopt when there is none, or it is no longer as of `if_updated_at`.
// Throws db::SqlError (unique violation) when the name is taken.
asio::awaitable<std::optional<Dataset>> update_live(db::Transaction& transaction, UserId user,
                                                    DatasetId id, std::optional<std::string> name,
                                                    std::optional<std::vector<std::string>> tags,
                                                    std::optional<Timestamp> if_updated_at);

}  // namespace infernode::dataset_repository
