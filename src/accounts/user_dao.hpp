#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <vector>

#include "accounts/user.hpp"
#include "core/page.hpp"
#include "db/pool.hpp"

// Statements on "Users", one a function.
namespace infernode::user_dao {

namespace asio = boost::asio;

// nullopt when the e-mail address is taken, in whatever case.
asio::awaitable<std::optional<User>> insert(db::Executor& executor, std::string email,
                                            std::string password_hash);
// As above, made by an administrator; nobody can log in until a password is set.
asio::awaitable<std::optional<User>> insert_invited(db::Executor& executor, std::string email,
                                                    Role role, Tokens tokens);
// `email` in lower case.
asio::awaitable<std::optional<User>> find_by_email(db::Executor& executor, std::string email);
asio::awaitable<std::optional<User>> find(db::Executor& executor, UserId id);
// Those that there are, each once, in any order.
asio::awaitable<std::vector<User>> find_all(db::Executor& executor, std::vector<UserId> ids);
// Those who have credentials of these hashes; users_from() reads them.
db::Command find_with_credentials(const std::vector<std::string>& hashes);
std::vector<User> users_from(const db::Rows& rows);
// Up to `limit` users, newest first, whose e-mail address contains `part` (in any case).
asio::awaitable<std::vector<User>> list(db::Executor& executor, std::optional<std::string> part,
                                        std::optional<Cursor> after, int limit);
// Replaces the hash if it is still `old_hash`. With `end_sessions` older tokens end.
asio::awaitable<bool> replace_password(db::Executor& executor, UserId id, std::string old_hash,
                                       std::string new_hash, bool end_sessions);
// Whatever it was before; older tokens, sessions and links end.
void set_password(db::Transaction& transaction, UserId id, const std::string& hash);
// Keeps other changes of roles away until the transaction ends.
asio::awaitable<void> lock_roles(db::Transaction& transaction);
asio::awaitable<std::optional<User>> update(db::Transaction& transaction, UserId id,
                                            UserChange change);
// Administrators that are not disabled.
asio::awaitable<std::int64_t> count_admins(db::Executor& executor);

}  // namespace infernode::user_dao
