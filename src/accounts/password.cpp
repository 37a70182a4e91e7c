#include "accounts/password.hpp"

#include <crypt.h>
#include <openssl/crypto.h>

#include <memory>
#include <stdexcept>
#include <string_view>

namespace infernode {
namespace {

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

}  // namespace infernode
