#pragma once

#include <boost/asio/awaitable.hpp>
#include <vector>

#include "credits/ledger.hpp"
#include "db/pool.hpp"

// Statements on "Holds", one a function.
namespace infernode::hold_dao {

namespace asio = boost::asio;

void insert(db::Transaction& transaction, UserId user, const std::vector<NewHold>& holds);
// Moves `amount` of what is held to what is settled. The transaction fails with std::logic_error
// when the hold is closed.
void settle(db::Transaction& transaction, JobId job, Tokens amount);
// Of those that are open: releases what was not settled or, with `everything`, also what was.
asio::awaitable<std::vector<ClosedHold>> close(db::Transaction& transaction,
                                               std::vector<JobId> jobs, bool everything);
// What is on hold and neither settled nor released.
asio::awaitable<Tokens> sum_open(db::Executor& executor);

}  // namespace infernode::hold_dao
