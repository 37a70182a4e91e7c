#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>

#include "accounts/user.hpp"
#include "db/connection.hpp"

// Statements on "Users", one a function.
namespace infernode::user_dao {

namespace asio = boost::asio;

// nullopt when the e-mail address is taken.
asio::awaitable<std::optional<User>> insert(db::Connection& connection, std::string email,
                                            std::string password_hash);
asio::awaitable<std::optional<User>> find_by_email(db::Connection& connection, std::string email);
asio::awaitable<std::optional<User>> find(db::Connection& connection, UserId id);

}  // namespace infernode::user_dao
