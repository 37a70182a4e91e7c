#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/id.hpp"

namespace infernode {

// What a token says about its bearer.
struct TokenClaims {
  UserId user;
  std::string email;
  std::string role;
  std::int64_t issued_at = 0;   // seconds since 1970
  std::int64_t expires_at = 0;  // seconds since 1970
};

// Makes an RSA key of 2048 bits in `folder` (created with mode 700, the file with 600). The newest
// key signs; older ones go on verifying until their file is removed. Returns the file. Throws
// std::runtime_error.
std::filesystem::path generate_key(const std::filesystem::path& folder);
bool has_keys(const std::filesystem::path& folder);

// Signs and verifies JSON Web Tokens, RS256 and nothing else.
class TokenSigner {
public:
  // Throws std::runtime_error when the folder has no key or a file there is none.
  explicit TokenSigner(const std::filesystem::path& folder);

  std::string sign(const TokenClaims& claims) const;
  // nullopt for a token that is malformed, expired at `now` (seconds since 1970), signed by another
  // key or in another way.
  std::optional<TokenClaims> verify(const std::string& token, std::int64_t now) const;
  // JSON Web Key Set (RFC 7517) of the public keys.
  const boost::json::object& key_set() const { return key_set_; }

private:
  struct Key {
    std::string id;
    std::string private_pem;
    std::string public_pem;
  };
  std::vector<Key> keys_;  // the last one signs
  boost::json::object key_set_;
};

}  // namespace infernode
