#include "accounts/user_repository.hpp"

#include "accounts/user_dao.hpp"

namespace infernode {

asio::awaitable<db::Transaction> UserRepository::begin() {
  co_return co_await pool_.begin();
}

asio::awaitable<std::optional<User>> UserRepository::add(std::string email,
                                                         std::string password_hash) {
  const auto connection = co_await pool_.acquire();
  co_return co_await user_dao::insert(*connection, std::move(email), std::move(password_hash));
}

asio::awaitable<std::optional<User>> UserRepository::find_by_email(std::string email) {
  const auto connection = co_await pool_.acquire();
  co_return co_await user_dao::find_by_email(*connection, std::move(email));
}

asio::awaitable<std::optional<User>> UserRepository::find(UserId id) {
  const auto connection = co_await pool_.acquire();
  co_return co_await user_dao::find(*connection, id);
}

asio::awaitable<std::vector<User>> UserRepository::list(std::optional<std::string> part,
                                                        PageRequest page) {
  const auto connection = co_await pool_.acquire();
  co_return co_await user_dao::list(*connection, std::move(part), page.after, page.limit + 1);
}

asio::awaitable<bool> UserRepository::replace_password(UserId id, std::string old_hash,
                                                       std::string new_hash, bool end_sessions) {
  const auto connection = co_await pool_.acquire();
  co_return co_await user_dao::replace_password(*connection, id, std::move(old_hash),
                                                std::move(new_hash), end_sessions);
}

asio::awaitable<UserRepository::Updated> UserRepository::update(db::Connection& transaction,
                                                                UserId id, UserChange change) {
  // Two administrators that take each other's role at once must not both succeed.
  co_await user_dao::lock_roles(transaction);
  Updated updated;
  updated.user = co_await user_dao::update(transaction, id, std::move(change));
  const std::int64_t admins = co_await user_dao::count_admins(transaction);
  if (!updated.user) {
    updated.result = Update::not_found;
  } else if (admins == 0) {
    updated.result = Update::last_admin;
  }
  co_return updated;
}

}  // namespace infernode
