#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "accounts/user.hpp"
#include "core/clock.hpp"
#include "core/id.hpp"
#include "core/words.hpp"

namespace infernode {

using CredentialId = Id<struct CredentialTag>;

// What a secret is for: an API key of a program, a browser's session, a link that sets a password.
enum class CredentialKind { key, session, link };
template <>
struct Words<CredentialKind> {
  static constexpr std::pair<CredentialKind, std::string_view> all[]{
      {CredentialKind::key, "key"},
      {CredentialKind::session, "session"},
      {CredentialKind::link, "link"}};
};

// A new secret: a prefix that says what it is for, so that a leaked one is recognised, and 256
// random bits. Throws std::runtime_error when there is no randomness.
std::string make_secret(CredentialKind kind);
// What a secret is for by its prefix; nullopt for what is none.
std::optional<CredentialKind> kind_of_secret(std::string_view secret);
// How it is kept and looked up: its SHA-256, in hexadecimal. A secret has so much entropy that
// nothing slower is needed.
std::string secret_hash(std::string_view secret);

// As its user sees it.
struct ApiKey {
  CredentialId id;
  std::string name;
  std::vector<std::string> scopes;  // of read, upload, jobs
  std::optional<Timestamp> expires_at;
  std::optional<Timestamp> last_used_at;  // to the minute
  Timestamp created_at;
};

// A valid secret as it was found.
struct Bearer {
  CredentialId id;
  CredentialKind kind = CredentialKind::key;
  std::string hash;
  std::vector<std::string> scopes;  // of a key
  bool use_is_stale = false;        // its last use is to be written down
  User user;
};

}  // namespace infernode
