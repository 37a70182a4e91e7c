#include "accounts/account_service.hpp"

#include "accounts/user_dao.hpp"
#include "core/blocking.hpp"

#include <algorithm>
#include <chrono>
#include <regex>

namespace infernode {
namespace {

constexpr std::size_t kMinPasswordBytes = 8;
constexpr std::size_t kMaxPasswordBytes = 72;

std::int64_t now_seconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

Error field_error(const std::string& pointer, const std::string& detail) {
  Error error{ErrorCode::invalid, detail};
  error.fields.push_back(FieldError{pointer, detail});
  return error;
}

std::optional<Error> unsound(const std::string& password, const std::string& pointer) {
  if (password.size() < kMinPasswordBytes || password.size() > kMaxPasswordBytes) {
    return field_error(pointer, "A password has 8 to 72 bytes.");
  }
  return std::nullopt;
}

Error wrong_login() {
  return {ErrorCode::not_authenticated, "The e-mail address or the password is wrong."};
}

Error not_valid() {
  return {ErrorCode::not_authenticated, "The token is not valid or has expired; log in again."};
}

}  // namespace

bool is_email(const std::string& text) {
  static const std::regex kPattern{
      "[a-z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
      "(?:\\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)+"};
  return text.size() <= 255 && std::regex_match(text, kPattern);
}

std::string normalised_email(std::string email) {
  std::transform(email.begin(), email.end(), email.begin(), [](unsigned char c) {
    return c < 0x80 ? static_cast<char>(std::tolower(c)) : static_cast<char>(c);
  });
  return email;
}

AccountService::AccountService(db::Pool& database, TokenSigner& signer, PasswordHasher& hasher,
                               LoginThrottle& throttle, CredentialService& credentials,
                               asio::thread_pool& blocking, AccountRules rules)
    : database_{database},
      signer_{signer},
      users_{database},
      hasher_{hasher},
      throttle_{throttle},
      credentials_{credentials},
      blocking_{blocking},
      rules_{rules},
      decoy_hash_{decoy_hash(hasher.cost())} {}

asio::awaitable<Result<User>> AccountService::register_user(std::string email, std::string password,
                                                            std::string address) {
  if (!rules_.registration_open) {
    co_return Error{ErrorCode::registration_closed,
                    "Accounts are made by administrators here; ask one for yours."};
  }
  email = normalised_email(std::move(email));
  if (!is_email(email)) {
    co_return field_error("/email", "This is not an e-mail address.");
  }
  if (const auto error = unsound(password, "/password")) {
    co_return *error;
  }
  const auto counted = co_await throttle_.count_registration(std::move(address));
  if (!counted) {
    co_return counted.error();
  }
  auto hash = co_await hasher_.hash(std::move(password));
  auto user = co_await user_dao::insert(database_, std::move(email), std::move(hash));
  if (!user) {
    co_return Error{ErrorCode::conflict, "There is already an account with this e-mail address."};
  }
  co_return std::move(*user);
}

asio::awaitable<Result<std::optional<User>>> AccountService::check_password(std::string email,
                                                                            std::string password,
                                                                            std::string address) {
  const auto begun = co_await throttle_.begin(email, address);
  if (!begun) {
    co_return begun.error();
  }
  std::optional<User> user;
  auto outcome = LoginThrottle::Outcome::unknown;
  std::exception_ptr failure;
  try {
    user = co_await user_dao::find_by_email(database_, email);
    // Who was invited and has set no password yet is compared with as long.
    const bool has_password = user && password_cost(user->password_hash) > 0;
    const std::string hash = has_password ? user->password_hash : decoy_hash_;
    const bool matches = co_await hasher_.matches(std::move(password), hash);
    outcome = user && matches ? LoginThrottle::Outcome::right : LoginThrottle::Outcome::wrong;
  } catch (const Unavailable&) {
    failure = std::current_exception();
  }
  co_await throttle_.end(std::move(email), std::move(address), outcome);
  if (failure) {
    std::rethrow_exception(failure);
  }
  if (outcome == LoginThrottle::Outcome::wrong) {
    user.reset();
  }
  co_return user;
}

asio::awaitable<Result<User>> AccountService::check_login(std::string email, std::string password,
                                                          std::string address) {
  email = normalised_email(std::move(email));
  auto checked = co_await check_password(std::move(email), password, std::move(address));
  if (!checked) {
    co_return checked.error();
  }
  auto user = std::move(*checked);
  if (!user) {
    co_return wrong_login();
  }
  if (user->disabled_at) {
    co_return Error{ErrorCode::forbidden, "This account is disabled."};
  }
  co_await follow_cost(*user, std::move(password));
  co_return std::move(*user);
}

asio::awaitable<Result<Session>> AccountService::begin_session(std::string email,
                                                               std::string password,
                                                               std::string address) {
  auto user = co_await check_login(std::move(email), std::move(password), std::move(address));
  if (!user) {
    co_return user.error();
  }
  auto secret = co_await credentials_.begin_session(*user);
  if (!secret) {
    co_return wrong_login();
  }
  co_return Session{std::move(*secret), credentials_.session_seconds(), std::move(*user)};
}

asio::awaitable<Result<Login>> AccountService::login(std::string email, std::string password,
                                                     std::string address) {
  auto user = co_await check_login(std::move(email), std::move(password), std::move(address));
  if (!user) {
    co_return user.error();
  }
  const std::int64_t now = now_seconds();
  Login login;
  login.expires_in_seconds = rules_.token_life_seconds;
  TokenClaims claims{user->id,
                     user->email,
                     std::string{to_text(user->role)},
                     user->session_epoch,
                     now,
                     now + rules_.token_life_seconds};
  auto signing = [ring = signer_.keys(), claims = std::move(claims)] {
    return sign_token(*ring, claims);
  };
  login.token = co_await run_blocking(blocking_, std::move(signing));
  login.user = std::move(*user);
  co_return login;
}

asio::awaitable<void> AccountService::follow_cost(User user, std::string password) {
  if (password_cost(user.password_hash) == hasher_.cost()) {
    co_return;
  }
  try {
    auto again = co_await hasher_.hash(std::move(password));
    // Somebody who changes the password meanwhile wins.
    co_await user_dao::replace_password(database_, user.id, user.password_hash, std::move(again),
                                        false);
  } catch (const Unavailable&) {
    // The next login will do.
  }
}

asio::awaitable<Result<void>> AccountService::change_password(UserId id,
                                                              std::string current_password,
                                                              std::string new_password,
                                                              std::string address) {
  if (const auto error = unsound(new_password, "/new_password")) {
    co_return *error;
  }
  const auto user = co_await user_dao::find(database_, id);
  if (!user) {
    co_return not_valid();
  }
  // Throttled as logins are: a stolen token must not serve to guess the password.
  const auto checked = co_await check_password(normalised_email(user->email),
                                               std::move(current_password), std::move(address));
  if (!checked) {
    co_return checked.error();
  }
  if (!*checked) {
    co_return field_error("/current_password", "This is not the current password.");
  }
  auto hash = co_await hasher_.hash(std::move(new_password));
  const bool replaced = co_await user_dao::replace_password(
      database_, id, (*checked)->password_hash, std::move(hash), true);
  if (!replaced) {
    co_return Error{ErrorCode::conflict, "The password was changed meanwhile."};
  }
  co_return Result<void>{};
}

asio::awaitable<void> AccountService::end_session(std::string secret) {
  return credentials_.end_session(std::move(secret));
}

asio::awaitable<Result<void>> AccountService::set_password(std::string link,
                                                           std::string new_password) {
  if (const auto error = unsound(new_password, "/new_password")) {
    co_return *error;
  }
  const Error spent{ErrorCode::not_authenticated,
                    "This link is not valid, or was used or has expired; ask for another one."};
  // Looked at first: guessing must not keep the hashers busy.
  const auto known = co_await credentials_.find(link, CredentialKind::link);
  if (!known) {
    co_return spent;
  }
  const auto hash = co_await hasher_.hash(std::move(new_password));
  auto transaction = co_await database_.begin();
  const UserId user = known->user.id;
  const bool taken = co_await credentials_.take_link(transaction, user, std::move(link));
  if (!taken) {
    co_return spent;
  }
  user_dao::set_password(transaction, user, hash);
  co_await transaction.commit();
  co_return Result<void>{};
}

asio::awaitable<Result<Identity>> AccountService::authenticate(std::string token) {
  if (kind_of_secret(token) == CredentialKind::key) {
    const auto bearer = co_await credentials_.find(std::move(token), CredentialKind::key);
    if (!bearer) {
      co_return not_valid();
    }
    co_return Identity{std::shared_ptr<const User>{bearer, &bearer->user}, bearer->scopes};
  }
  const auto claims = signer_.verify(token, now_seconds());
  if (!claims) {
    co_return not_valid();
  }
  auto user = co_await users_.find(claims->user);
  if (!user || user->disabled_at || user->session_epoch != claims->session_epoch) {
    co_return not_valid();
  }
  co_return Identity{std::move(user), std::nullopt};
}

asio::awaitable<Result<Identity>> AccountService::authenticate_session(std::string secret) {
  const auto bearer = co_await credentials_.find(std::move(secret), CredentialKind::session);
  if (!bearer) {
    co_return not_valid();
  }
  co_return Identity{std::shared_ptr<const User>{bearer, &bearer->user}, std::nullopt};
}

}  // namespace infernode
