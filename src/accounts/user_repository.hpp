#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>

#include "accounts/user.hpp"
#include "db/pool.hpp"

namespace infernode::user_repository {

namespace asio = boost::asio;

// Unless it is `done`, the transaction has to be given up. last_admin: nobody would be
// administrator any more.
enum class Update { done, not_found, last_admin };
struct Updated {
  Update result = Update::done;
  std::optional<User> user;
};
asio::awaitable<Updated> update(db::Transaction& transaction, UserId id, UserChange change);

}  // namespace infernode::user_repository
