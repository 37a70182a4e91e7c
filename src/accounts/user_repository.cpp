#include "accounts/user_repository.hpp"

#include "accounts/user_dao.hpp"

namespace infernode {

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

}  // namespace infernode
