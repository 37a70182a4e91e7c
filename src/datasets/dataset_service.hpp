#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <optional>
#include <vector>

#include "audit/audit_service.hpp"
#include "core/error.hpp"
#include "core/page.hpp"
#include "datasets/dataset.hpp"
#include "db/pool.hpp"

namespace infernode {

// Ends, in the given transaction, what goes on in a dataset that is being deleted.
using DatasetEnding =
    std::function<asio::awaitable<void>(db::Transaction& transaction, DatasetId dataset)>;

// A user's datasets. What is deleted, or somebody else's, is not_found. Everything it is given must
// outlive it.
class DatasetService {
public:
  DatasetService(db::Pool& database, AuditService& audit, DatasetEnding end_work)
      : database_{database}, audit_{audit}, end_work_{std::move(end_work)} {}

  // In the caller's transaction. conflict when the user has a live dataset of that name.
  asio::awaitable<Result<Dataset>> create(db::Transaction& transaction, UserId user,
                                          std::string name, std::vector<std::string> tags);
  asio::awaitable<Result<Dataset>> find(UserId user, DatasetId id);
  // For whoever holds a connection already.
  asio::awaitable<Result<Dataset>> find(db::Executor& executor, UserId user, DatasetId id);
  asio::awaitable<std::vector<Dataset>> list(UserId user, DatasetFilter filter, PageRequest page);
  // Changes what is given. precondition_failed when the dataset is no longer as of `if_updated_at`.
  asio::awaitable<Result<Dataset>> update(UserId user, DatasetId id,
                                          std::optional<std::string> name,
                                          std::optional<std::vector<std::string>> tags,
                                          std::optional<Timestamp> if_updated_at);
  // A soft delete; what goes on in the dataset is ended with it.
  asio::awaitable<Result<void>> remove(UserId user, DatasetId id);
  // For good: a deleted one, with its videos, jobs and results. Their bytes are free at once; the
  // rest is cleared behind (VideoService::purge). conflict when it is not deleted.
  asio::awaitable<Result<void>> purge(UserId user, DatasetId id);
  // Purged ones that are not emptied yet, some of them.
  asio::awaitable<std::vector<DatasetId>> list_purged();
  // Removes tags that a dataset brought along and none bears any more. Returns how many.
  asio::awaitable<std::int64_t> sweep_tags();
  // An emptied one is forgotten.
  asio::awaitable<void> remove_purged(DatasetId id);
  // conflict when the name is taken again.
  asio::awaitable<Result<Dataset>> restore(UserId user, DatasetId id);
  // Tags whose name contains `part`.
  asio::awaitable<std::vector<Tag>> list_tags(UserId user, std::optional<std::string> part,
                                              PageRequest page);
  // For administrators, in the caller's transaction. conflict when there is a tag of that name.
  asio::awaitable<Result<Tag>> create_tag(db::Transaction& transaction, UserId admin,
                                          std::string name);
  // For administrators. Datasets keep what they bear.
  asio::awaitable<Result<void>> remove_tag(UserId admin, TagId id);

private:
  db::Pool& database_;
  AuditService& audit_;
  DatasetEnding end_work_;
};

}  // namespace infernode
