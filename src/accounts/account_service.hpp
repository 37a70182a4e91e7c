#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "accounts/login_throttle.hpp"
#include "accounts/password.hpp"
#include "accounts/token_signer.hpp"
#include "accounts/user.hpp"
#include "accounts/user_reader.hpp"
#include "core/error.hpp"
#include "db/pool.hpp"

namespace infernode {

struct Login {
  std::string token;
  std::int64_t expires_in_seconds = 0;
  User user;
};

struct AccountRules {
  std::int64_t token_life_seconds = 86'400;
  bool registration_open = true;
  std::int64_t storage_quota = 0;  // bytes, of whoever has none of its own
};

// Registers users, logs them in and recognises them. Everything it is given must outlive it.
class AccountService {
public:
  AccountService(db::Pool& database, TokenSigner& signer, PasswordHasher& hasher,
                 LoginThrottle& throttle, asio::thread_pool& blocking, AccountRules rules);

  const AccountRules& rules() const { return rules_; }

  // registration_closed: administrators make accounts here. conflict: the address is taken.
  // invalid: not an e-mail address, or the password has fewer than 8 or more than 72 bytes (bcrypt
  // reads no more). too_many_requests: so many accounts were opened from `address`, where the
  // client is. Throws Unavailable when too many passwords wait to be hashed; so do the next two.
  asio::awaitable<Result<User>> register_user(std::string email, std::string password,
                                              std::string address);
  // not_authenticated, after the same work, for an unknown e-mail address and for a wrong password.
  // forbidden: the account is disabled. too_many_requests after repeated failures of the account or
  // from `address`.
  asio::awaitable<Result<Login>> login(std::string email, std::string password,
                                       std::string address);
  // Ends every token that the user has. invalid: the current password is wrong, or the new one
  // unsound; too_many_requests as above.
  asio::awaitable<Result<void>> change_password(UserId id, std::string current_password,
                                                std::string new_password, std::string address);
  // Whose a token is: not_authenticated when it is not valid (any more) or its user is gone or
  // disabled.
  asio::awaitable<Result<std::shared_ptr<const User>>> authenticate(std::string token);

private:
  // The user if the password is theirs, nullopt otherwise, after the same work. too_many_requests
  // after repeated failures.
  asio::awaitable<Result<std::optional<User>>> check_password(std::string email,
                                                              std::string password,
                                                              std::string address);
  // Hashes a password again when the configured cost is no longer that of its hash.
  asio::awaitable<void> follow_cost(User user, std::string password);

  db::Pool& database_;
  TokenSigner& signer_;
  UserReader users_;
  PasswordHasher& hasher_;
  LoginThrottle& throttle_;
  asio::thread_pool& blocking_;
  AccountRules rules_;
  std::string decoy_hash_;  // compared against when there is no such user
};

// An e-mail address as accounts are looked up by it: in lower case.
std::string normalised_email(std::string email);

}  // namespace infernode
