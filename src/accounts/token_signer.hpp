#pragma once

#include <boost/json.hpp>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/digest.hpp"
#include "core/id.hpp"

struct evp_pkey_st;

namespace infernode {

// What a token says about its bearer.
struct TokenClaims {
  UserId user;
  std::string email;
  std::string role;
  int session_epoch = 0;        // the user's, when the token was made
  std::int64_t issued_at = 0;   // seconds since 1970
  std::int64_t expires_at = 0;  // seconds since 1970
};

// Makes an RSA key of 2048 bits in `folder` (created with mode 700, the file with 600). Returns the
// file. Throws std::runtime_error.
std::filesystem::path generate_key(const std::filesystem::path& folder);
bool has_keys(const std::filesystem::path& folder);

// The keys in a folder at one moment.
struct KeyRing {
  struct Key {
    std::string id;
    std::string private_pem;
    std::shared_ptr<evp_pkey_st> key;
  };
  std::vector<Key> keys;        // by age; all of them verify
  std::size_t signing = 0;      // which one signs
  boost::json::object key_set;  // JSON Web Key Set (RFC 7517) of the public keys
};

// How long a new key is only published before it signs: every server must have seen it by then.
constexpr std::chrono::seconds kKeyPublishedBefore{30};

// Reads the keys in a folder. The newest one that is older than kKeyPublishedBefore signs (should
// all be newer, the oldest). An older key goes on verifying until every token that it signed has
// expired, `token_life` after the next one began to sign, and is left out then. A key is as old as
// its file. Throws std::runtime_error when the folder has no key or a file there is none.
KeyRing load_keys(const std::filesystem::path& folder, std::chrono::seconds token_life);

// A JSON Web Token, signed with RS256. Takes a millisecond.
std::string sign_token(const KeyRing& ring, const TokenClaims& claims);

// Signs and verifies JSON Web Tokens, RS256 and nothing else. A token that was found valid is
// remembered by its SHA-256 until it expires, since clients send theirs with each request.
class TokenSigner {
public:
  explicit TokenSigner(KeyRing ring) : ring_{std::make_shared<const KeyRing>(std::move(ring))} {}

  // What was signed by a key that is gone is not valid any more.
  void replace_keys(KeyRing ring);
  // The keys as they are now, for sign_token().
  std::shared_ptr<const KeyRing> keys() const { return ring_; }
  // nullopt for a token that is malformed, expired at `now` (seconds since 1970), signed by another
  // key or in another way.
  std::optional<TokenClaims> verify(const std::string& token, std::int64_t now);
  const boost::json::object& key_set() const { return ring_->key_set; }

private:
  using Remembered = std::map<Sha256Digest, TokenClaims>;

  std::optional<TokenClaims> check(const std::string& token, std::int64_t now) const;

  std::shared_ptr<const KeyRing> ring_;
  // Two generations: when the younger one is full it becomes the older, which is forgotten. What is
  // asked for moves to the younger.
  Remembered recent_;
  Remembered older_;
};

}  // namespace infernode
