#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>

#include "accounts/user.hpp"
#include "db/pool.hpp"

namespace infernode {

namespace asio = boost::asio;

class UserRepository {
public:
  explicit UserRepository(db::Pool& pool) : pool_{pool} {}

  // Adds a user with the default role and tokens; nullopt when the e-mail address is taken.
  asio::awaitable<std::optional<User>> add(std::string email, std::string password_hash);
  asio::awaitable<std::optional<User>> find_by_email(std::string email);
  asio::awaitable<std::optional<User>> find(UserId id);

private:
  db::Pool& pool_;
};

}  // namespace infernode
