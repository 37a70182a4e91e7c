#include "accounts/account_service.hpp"

#include <algorithm>
#include <chrono>
#include <regex>

#include "accounts/password.hpp"
#include "core/blocking.hpp"

namespace infernode {
namespace {

constexpr std::size_t kMinPasswordBytes = 8;
constexpr std::size_t kMaxPasswordBytes = 72;

std::int64_t now_seconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// Addresses are kept in lower case, so that two of them never differ by case alone.
std::string normalised(std::string email) {
  std::transform(email.begin(), email.end(), email.begin(), [](unsigned char c) {
    return c < 0x80 ? static_cast<char>(std::tolower(c)) : static_cast<char>(c);
  });
  return email;
}

// The same rule as the database's (HTML's definition of an e-mail address, with a dot required).
bool is_email(const std::string& text) {
  static const std::regex kPattern{
      "[a-z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
      "(?:\\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)+"};
  return text.size() <= 255 && std::regex_match(text, kPattern);
}

Error field_error(const std::string& pointer, const std::string& detail) {
  Error error{ErrorCode::invalid, detail};
  error.fields.push_back(FieldError{pointer, detail});
  return error;
}

}  // namespace

AccountService::AccountService(UserRepository& users, const TokenSigner& signer,
                               asio::thread_pool& workers, AccountSettings settings)
    : users_{users},
      signer_{signer},
      workers_{workers},
      settings_{settings},
      decoy_hash_{hash_password("nobody has this password", settings.bcrypt_cost)} {}

asio::awaitable<Result<User>> AccountService::register_user(std::string email,
                                                            std::string password) {
  email = normalised(std::move(email));
  if (!is_email(email)) {
    co_return field_error("/email", "This is not an e-mail address.");
  }
  if (password.size() < kMinPasswordBytes || password.size() > kMaxPasswordBytes) {
    co_return field_error("/password", "A password has 8 to 72 bytes.");
  }
  auto hashing = [password, cost = settings_.bcrypt_cost] { return hash_password(password, cost); };
  auto hash = co_await run_blocking(workers_, std::move(hashing));
  auto user = co_await users_.add(std::move(email), std::move(hash));
  if (!user) {
    co_return Error{ErrorCode::conflict, "There is already an account with this e-mail address."};
  }
  co_return std::move(*user);
}

asio::awaitable<Result<Login>> AccountService::login(std::string email, std::string password) {
  auto user = co_await users_.find_by_email(normalised(std::move(email)));
  const std::string hash = user ? user->password_hash : decoy_hash_;
  auto matching = [password, hash] { return password_matches(password, hash); };
  const bool matches = co_await run_blocking(workers_, std::move(matching));
  if (!user || !matches) {
    co_return Error{ErrorCode::not_authenticated, "The e-mail address or the password is wrong."};
  }
  const std::int64_t now = now_seconds();
  Login login;
  login.expires_in_seconds = settings_.token_life_seconds;
  login.token = signer_.sign(
      TokenClaims{user->id, user->email, user->role, now, now + settings_.token_life_seconds});
  login.user = std::move(*user);
  co_return login;
}

asio::awaitable<Result<TokenClaims>> AccountService::authenticate(std::string token) {
  auto claims = signer_.verify(token, now_seconds());
  if (!claims) {
    co_return Error{ErrorCode::not_authenticated,
                    "The token is not valid or has expired; log in again."};
  }
  co_return std::move(*claims);
}

asio::awaitable<Result<User>> AccountService::find(UserId id) {
  auto user = co_await users_.find(id);
  if (!user) {
    co_return Error{ErrorCode::not_authenticated, "This account no longer exists."};
  }
  co_return std::move(*user);
}

}  // namespace infernode
