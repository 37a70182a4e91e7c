#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <stdexcept>
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
// Whether it was deleted and not purged yet. Nobody sees it from now on.
asio::awaitable<bool> mark_purged(db::Transaction& transaction, UserId user, DatasetId id);
// What its videos and results consist of counts against nobody's quota any more.
void disown_blobs(db::Transaction& transaction, UserId user, DatasetId id);
asio::awaitable<std::vector<DatasetId>> list_purged(db::Executor& executor, int limit);
// With all that is left in it.
asio::awaitable<void> remove_purged(db::Executor& executor, DatasetId id);
class TooManyTags : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};
// Those that are new show to whoever bears them alone. Where there are any, and the user has `most`
// different ones already, whoever waits next gets TooManyTags.
void insert_tags(db::Transaction& transaction, UserId user, const std::vector<std::string>& names,
                 int most);
// Those that no dataset bears.
asio::awaitable<std::int64_t> remove_unused_tags(db::Transaction& transaction);
// The installation's tags and those on the user's live datasets whose name contains `part`.
asio::awaitable<std::vector<Tag>> list_tags(db::Executor& executor, UserId user,
                                            std::optional<std::string> part,
                                            std::optional<Cursor> after, int limit);
// A tag of the installation. nullopt when there is one of that name.
asio::awaitable<std::optional<Tag>> insert_tag(db::Transaction& transaction, std::string name);
// It is the installation's no longer; datasets keep what they bear. Returns the name; nullopt when
// there is no such tag.
asio::awaitable<std::optional<std::string>> remove_tag(db::Transaction& transaction, TagId id);

}  // namespace infernode::dataset_dao
