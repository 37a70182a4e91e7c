#include "db/executor.hpp"

namespace infernode::db {

asio::awaitable<Rows> Executor::run_one(Command command) {
  std::vector<Command> commands;
  commands.push_back(std::move(command));
  auto results = co_await execute_all(std::move(commands));
  co_return std::move(results.front());
}

}  // namespace infernode::db
