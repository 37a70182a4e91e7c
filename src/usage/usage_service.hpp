#pragma once

#include <boost/asio/awaitable.hpp>
#include <vector>

#include "core/error.hpp"
#include "core/id.hpp"
#include "db/pool.hpp"
#include "usage/usage.hpp"

namespace infernode {

namespace asio = boost::asio;

// What users used. It is written by triggers, with what is used; see the migration. `database` must
// outlive it.
class UsageService {
public:
  explicit UsageService(db::Pool& database) : database_{database} {}

  // invalid: a day that there is none of, days the wrong way round, or more than ten years.
  asio::awaitable<Result<std::vector<UsedInBucket>>> list(UserId user, UsageQuery query);
  // Adds up, so that what is read does not grow with what was done.
  asio::awaitable<void> fold();

private:
  db::Pool& database_;
};

}  // namespace infernode
