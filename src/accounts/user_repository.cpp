#include "accounts/user_repository.hpp"

#include "accounts/user_dao.hpp"

namespace infernode::user_repository {

asio::awaitable<Updated> update(db::Transaction& transaction, UserId id, UserChange change) {
  // Two administrators that take each other's role at once must not both succeed.
  co_await user_dao::lock_roles(transaction);
  Updated updated;
  updated.user = co_await user_dao::update(transaction, id, change);
  const std::int64_t admins = co_await user_dao::count_admins(transaction);
  if (!updated.user) {
    updated.result = Update::not_found;
  } else if (admins == 0) {
    updated.result = Update::last_admin;
  }
  co_return updated;
}

}  // namespace infernode::user_repository
