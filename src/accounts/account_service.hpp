#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "accounts/credential_service.hpp"
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

// A browser's session, known by a cookie.
struct Session {
  std::string secret;
  std::int64_t expires_in_seconds = 0;
  User user;
};

// Who a request comes from.
struct Identity {
  std::shared_ptr<const User> user;
  // What an API key may do; none: whatever the user may.
  std::optional<std::vector<std::string>> scopes;
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
                 LoginThrottle& throttle, CredentialService& credentials,
                 asio::thread_pool& blocking, AccountRules rules);

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
  // As login(), for a browser.
  asio::awaitable<Result<Session>> begin_session(std::string email, std::string password,
                                                 std::string address);
  asio::awaitable<void> end_session(std::string secret);
  // Sets the password of whoever has the link, which works once, and ends every token and session
  // of the user. not_authenticated: it is not valid (any more). invalid: the password is unsound.
  asio::awaitable<Result<void>> set_password(std::string link, std::string new_password);
  // Ends every token and session that the user has; API keys stay. invalid: the current password is
  // wrong, or the new one unsound; too_many_requests as above.
  asio::awaitable<Result<void>> change_password(UserId id, std::string current_password,
                                                std::string new_password, std::string address);
  // Whose a token or an API key is, or a session's cookie: not_authenticated when it is not valid
  // (any more) or its user is gone or disabled.
  asio::awaitable<Result<Identity>> authenticate(std::string token);
  asio::awaitable<Result<Identity>> authenticate_session(std::string secret);

private:
  // The user who may log in with this; errors as of login().
  asio::awaitable<Result<User>> check_login(std::string email, std::string password,
                                            std::string address);
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
  CredentialService& credentials_;
  asio::thread_pool& blocking_;
  AccountRules rules_;
  std::string decoy_hash_;  // compared against when there is no such user
};

// Whether it is one as the database takes them (HTML's definition, with a dot required), in lower
// case.
bool is_email(const std::string& text);
// An e-mail address as accounts are looked up by it: in lower case.
std::string normalised_email(std::string email);

}  // namespace infernode
