#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "db/pool.hpp"
#include "jobs/worker_info.hpp"

// Statements on "Workers", one a function.
namespace infernode::worker_dao {

namespace asio = boost::asio;

// Adds the worker or, when the sweep took it for gone, adds it again.
db::Command upsert(const WorkerInfo& worker, std::optional<std::int64_t> segment,
                   std::optional<std::string> paused);
// A statement that a worker's process runs on a connection which it keeps: PostgreSQL holds a lock
// for the worker until that ends, as it does at once when the process dies.
std::string sign_of_life(WorkerId id);
asio::awaitable<void> remove(db::Executor& executor, WorkerId id);
// Those not heard of for `seconds`; returns how many.
asio::awaitable<std::int64_t> delete_silent(db::Executor& executor, int seconds);
// Why workers take no work, as one of those heard of within `seconds` says.
asio::awaitable<std::optional<std::string>> find_pause(db::Executor& executor, int seconds);

// What workers heard of within `seconds` can compute on, sorted.
asio::awaitable<std::vector<std::string>> find_devices(db::Executor& executor, int seconds);
// The same for each model that they have, by inference::versioned_name().
asio::awaitable<std::map<std::string, std::vector<std::string>>> find_model_devices(
    db::Executor& executor, int seconds);

}  // namespace infernode::worker_dao
