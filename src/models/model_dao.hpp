#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>
#include <vector>

#include "db/pool.hpp"
#include "models/stored_model.hpp"

// Statements on "Models".
namespace infernode::model_dao {

namespace asio = boost::asio;

// By name.
asio::awaitable<std::vector<StoredModel>> list(db::Executor& executor);
asio::awaitable<std::optional<StoredModel>> find(db::Executor& executor, std::string name);
// What it is tried on; empty when there is no such model.
asio::awaitable<std::vector<std::byte>> picture_of(db::Executor& executor, std::string name);
// Throws db::SqlError, a unique violation, when there is one of that name. Tells all processes.
void insert(db::Transaction& transaction, const std::string& name, const NewModel& model);
// Whether there was one; its blob may be swept from now on. Tells all processes.
asio::awaitable<bool> remove(db::Transaction& transaction, std::string name);

}  // namespace infernode::model_dao
