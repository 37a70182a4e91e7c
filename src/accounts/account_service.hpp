#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <string>

#include "accounts/token_signer.hpp"
#include "accounts/user.hpp"
#include "accounts/user_repository.hpp"
#include "core/error.hpp"

namespace infernode {

struct Login {
  std::string token;
  std::int64_t expires_in_seconds = 0;
  User user;
};

struct AccountSettings {
  int bcrypt_cost = 12;
  std::int64_t token_life_seconds = 86'400;
};

// Registers users, logs them in and recognises them. Everything it is given must outlive it.
class AccountService {
public:
  // `workers` is where passwords are hashed.
  AccountService(UserRepository& users, const TokenSigner& signer, asio::thread_pool& workers,
                 AccountSettings settings);

  // conflict: the address is taken. invalid: not an e-mail address, or the password has fewer than
  // 8 or more than 72 bytes (bcrypt reads no more).
  asio::awaitable<Result<User>> register_user(std::string email, std::string password);
  // not_authenticated, after the same work, for an unknown address and for a wrong password.
  asio::awaitable<Result<Login>> login(std::string email, std::string password);
  // Whom a token belongs to.
  asio::awaitable<Result<TokenClaims>> authenticate(std::string token);
  // not_authenticated when the user is gone.
  asio::awaitable<Result<User>> find(UserId id);

private:
  UserRepository& users_;
  const TokenSigner& signer_;
  asio::thread_pool& workers_;
  AccountSettings settings_;
  std::string decoy_hash_;  // compared against when there is no such user
};

}  // namespace infernode
