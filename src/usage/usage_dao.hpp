#pragma once

#include <boost/asio/awaitable.hpp>
#include <vector>

#include "core/id.hpp"
#include "db/pool.hpp"
#include "usage/usage.hpp"

// Statements on "Usage", one a function.
namespace infernode::usage_dao {

namespace asio = boost::asio;

// The buckets with something in them, oldest first, at most `limit`.
asio::awaitable<std::vector<UsedInBucket>> list(db::Executor& executor, UserId user,
                                                UsageQuery query, int limit);
// Adds up the rows of a user's day and pipeline where there are many; returns how many such there
// were, of `limit` that are looked for.
asio::awaitable<std::int64_t> fold(db::Executor& executor, int limit);

}  // namespace infernode::usage_dao
