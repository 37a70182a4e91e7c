#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>
#include <vector>

#include "accounts/user.hpp"
#include "audit/audit_service.hpp"
#include "core/error.hpp"
#include "core/page.hpp"
#include "db/pool.hpp"

namespace infernode {

// What administrators do with accounts. Everything it is given must outlive it.
class UserAdministration {
public:
  UserAdministration(db::Pool& database, AuditService& audit)
      : database_{database}, audit_{audit} {}

  // Users whose e-mail address contains `part`.
  asio::awaitable<std::vector<User>> list(std::optional<std::string> part, PageRequest page);
  // nullopt: no such user. `email` in any case.
  asio::awaitable<std::optional<User>> find_by_email(std::string email);
  // By `admin` (nullopt: somebody at the command line). Disabling ends every token of the user for
  // good. conflict: nobody would be administrator any more, or one would change their own account.
  asio::awaitable<Result<User>> update(std::optional<UserId> admin, UserId id, UserChange change);

private:
  db::Pool& database_;
  AuditService& audit_;
};

}  // namespace infernode
