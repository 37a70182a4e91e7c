#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>

#include "db/pool.hpp"
#include "results/result.hpp"

namespace infernode {

namespace asio = boost::asio;

class ResultRepository {
public:
  explicit ResultRepository(db::Pool& pool) : pool_{pool} {}

  asio::awaitable<void> add(db::Connection& transaction, NewResult result);
  asio::awaitable<std::optional<StoredResult>> find(UserId user, JobId job);

private:
  db::Pool& pool_;
};

}  // namespace infernode
