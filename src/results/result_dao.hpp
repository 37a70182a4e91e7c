#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>

#include "db/pool.hpp"
#include "results/result.hpp"

// Statements on "Results", one a function.
namespace infernode::result_dao {

namespace asio = boost::asio;

void insert(db::Transaction& transaction, const NewResult& result);
// Through the job, its live dataset and its owner only.
asio::awaitable<std::optional<StoredResult>> find(db::Executor& executor, UserId user, JobId job);

}  // namespace infernode::result_dao
