#include "accounts/password.hpp"

#include <crypt.h>
#include <fmt/format.h>
#include <openssl/crypto.h>

#include <memory>
#include <stdexcept>
#include <string_view>

#include "core/blocking.hpp"
#include "core/error.hpp"
#include "core/scheduling.hpp"

namespace infernode {
namespace {

constexpr int kNiceness = 19;

std::string bcrypt(const std::string& password, const std::string& setting) {
  const auto data = std::make_unique<crypt_data>();  // 32 KiB: too large for a stack
  const char* hash = crypt_r(password.c_str(), setting.c_str(), data.get());
  return hash == nullptr || hash[0] == '*' ? std::string{} : std::string{hash};
}

}  // namespace

std::string hash_password(const std::string& password, int cost) {
  char setting[CRYPT_GENSALT_OUTPUT_SIZE];
  if (crypt_gensalt_rn("$2b$", static_cast<unsigned long>(cost), nullptr, 0, setting,
                       sizeof setting) == nullptr) {
    throw std::runtime_error("bcrypt: no salt could be made");
  }
  std::string hash = bcrypt(password, setting);
  if (hash.empty()) {
    throw std::runtime_error("bcrypt failed");
  }
  return hash;
}

bool password_matches(const std::string& password, const std::string& hash) {
  const std::string again = bcrypt(password, hash);
  return !again.empty() && again.size() == hash.size() &&
         CRYPTO_memcmp(again.data(), hash.data(), hash.size()) == 0;
}

int password_cost(const std::string& hash) {
  const bool bcrypt_hash = hash.size() > 6 && hash.starts_with("$2") && hash[3] == '$' &&
                           std::isdigit(static_cast<unsigned char>(hash[4])) != 0 &&
                           std::isdigit(static_cast<unsigned char>(hash[5])) != 0;
  return bcrypt_hash ? (hash[4] - '0') * 10 + (hash[5] - '0') : 0;
}

std::string decoy_hash(int cost) {
  return fmt::format("$2b${:02}${:.<53}", cost, "");
}

// One of the places for pending hashes; given back with the last copy of the pointer.
std::shared_ptr<int> PasswordHasher::take_place() {
  if (*pending_ >= max_pending_) {
    throw Unavailable("too many passwords are waiting to be hashed");
  }
  ++*pending_;
  return {pending_.get(), [pending = pending_](int* /*unused*/) { --*pending; }};
}

template <class Result>
boost::asio::awaitable<Result> relay(boost::asio::thread_pool& thread,
                                     boost::asio::awaitable<Result> work) {
  co_return co_await boost::asio::co_spawn(thread, std::move(work), boost::asio::use_awaitable);
}

template <class Function>
boost::asio::awaitable<std::invoke_result_t<Function>> PasswordHasher::run(Function function) {
  auto yielding = [function = std::move(function)] {
    yield_to_requests(kNiceness);  // takes a millionth of the time
    return function();
  };
  auto working = run_blocking(workers_, std::move(yielding));
  auto relayed = relay(relay_, std::move(working));
  co_return co_await boost::asio::co_spawn(entrance_, std::move(relayed),
                                           boost::asio::use_awaitable);
}

boost::asio::awaitable<std::string> PasswordHasher::hash(std::string password) {
  const auto place = take_place();
  auto hashing = [password = std::move(password), cost = cost_] {
    return hash_password(password, cost);
  };
  co_return co_await run(std::move(hashing));
}

boost::asio::awaitable<bool> PasswordHasher::matches(std::string password, std::string hash) {
  const auto place = take_place();
  auto matching = [password = std::move(password), hash = std::move(hash)] {
    return password_matches(password, hash);
  };
  co_return co_await run(std::move(matching));
}

}  // namespace infernode
