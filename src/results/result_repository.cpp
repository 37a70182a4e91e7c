#include "results/result_repository.hpp"

#include "results/result_dao.hpp"

namespace infernode {

asio::awaitable<void> ResultRepository::add(db::Connection& transaction, NewResult result) {
  co_await result_dao::insert(transaction, std::move(result));
}

asio::awaitable<std::optional<StoredResult>> ResultRepository::find(UserId user, JobId job) {
  const auto connection = co_await pool_.acquire();
  co_return co_await result_dao::find(*connection, user, job);
}

}  // namespace infernode
