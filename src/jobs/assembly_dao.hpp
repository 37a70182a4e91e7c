#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>

#include "db/pool.hpp"
#include "jobs/assembly.hpp"

// Statements on "Assemblies", one a function.
namespace infernode::assembly_dao {

namespace asio = boost::asio;

asio::awaitable<std::optional<Assembly>> find(db::Executor& executor, JobId job);
void insert(db::Transaction& transaction, const Assembly& assembly);
void update(db::Transaction& transaction, const Assembly& assembly);
// Once its blobs belong to a result, or to nobody: the ones that are staged still may be swept.
void remove(db::Transaction& transaction, JobId job);
asio::awaitable<void> remove(db::Executor& executor, JobId job);

}  // namespace infernode::assembly_dao
