#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>

#include "db/connection.hpp"
#include "results/result.hpp"

// Statements on "Results", one a function.
namespace infernode::result_dao {

namespace asio = boost::asio;

asio::awaitable<void> insert(db::Connection& connection, NewResult result);
// Through the job, its live dataset and its owner only.
asio::awaitable<std::optional<StoredResult>> find(db::Connection& connection, UserId user,
                                                  JobId job);

}  // namespace infernode::result_dao
