#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>
#include <vector>

#include "accounts/credential_service.hpp"
#include "accounts/user.hpp"
#include "audit/audit_service.hpp"
#include "core/error.hpp"
#include "core/page.hpp"
#include "db/pool.hpp"

namespace infernode {

// What administrators do with accounts. Everything it is given must outlive it.
class UserAdministration {
public:
  UserAdministration(db::Pool& database, AuditService& audit, CredentialService& credentials)
      : database_{database}, audit_{audit}, credentials_{credentials} {}

  // In the caller's transaction, by `admin` (nullopt: somebody at the command line): an account
  // with no password, and the link by which its owner sets one. invalid: not an e-mail address.
  // conflict: the address is taken.
  struct Invitation {
    User user;
    PasswordLink link;
  };
  asio::awaitable<Result<Invitation>> invite(db::Transaction& transaction,
                                             std::optional<UserId> admin, std::string email,
                                             Role role, Tokens tokens);
  // As above, for an account that there is. not_found.
  asio::awaitable<Result<PasswordLink>> make_link(db::Transaction& transaction,
                                                  std::optional<UserId> admin, UserId user);
  asio::awaitable<Result<User>> find(UserId id);

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
  CredentialService& credentials_;
};

}  // namespace infernode
