#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>
#include <vector>

#include "accounts/user.hpp"
#include "core/page.hpp"
#include "db/pool.hpp"

namespace infernode {

namespace asio = boost::asio;

class UserRepository {
public:
  explicit UserRepository(db::Pool& pool) : pool_{pool} {}

  asio::awaitable<db::Transaction> begin();
  // Adds a user with the default role and tokens; nullopt when the e-mail address is taken.
  asio::awaitable<std::optional<User>> add(std::string email, std::string password_hash);
  // `email` in lower case.
  asio::awaitable<std::optional<User>> find_by_email(std::string email);
  asio::awaitable<std::optional<User>> find(UserId id);
  // One user more than the page holds, when there are more.
  asio::awaitable<std::vector<User>> list(std::optional<std::string> part, PageRequest page);
  // Replaces the hash if it is still `old_hash`. With `end_sessions` older tokens end.
  asio::awaitable<bool> replace_password(UserId id, std::string old_hash, std::string new_hash,
                                         bool end_sessions);
  // Unless it is `done`, the transaction has to be given up. last_admin: nobody would be
  // administrator any more.
  enum class Update { done, not_found, last_admin };
  struct Updated {
    Update result = Update::done;
    std::optional<User> user;
  };
  asio::awaitable<Updated> update(db::Connection& transaction, UserId id, UserChange change);

private:
  db::Pool& pool_;
};

}  // namespace infernode
