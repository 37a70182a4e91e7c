#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>
#include <vector>

#include "db/pool.hpp"
#include "results/result.hpp"

// Statements on "Results", one a function.
namespace infernode::result_dao {

namespace asio = boost::asio;

void insert(db::Transaction& transaction, const NewResult& result);
// Through the job, its live dataset and its owner only.
asio::awaitable<std::optional<StoredResult>> find(db::Executor& executor, UserId user, JobId job);

// Of a live dataset of the user's.
asio::awaitable<std::optional<std::string>> dataset_name(db::Executor& executor, UserId user,
                                                         DatasetId dataset);
struct LatestResult {
  JobId job;
  std::string video_name;
};
// The latest result of each of its videos, if given of one pipeline.
asio::awaitable<std::vector<LatestResult>> latest(db::Executor& executor, UserId user,
                                                  DatasetId dataset,
                                                  std::optional<std::string> pipeline);
// All labels that occur in these.
asio::awaitable<std::vector<std::string>> labels(db::Executor& executor,
                                                 std::vector<LatestResult> results);

}  // namespace infernode::result_dao
