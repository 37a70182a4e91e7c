#include "accounts/credential.hpp"

#include <span>

#include "core/digest.hpp"

namespace infernode {
namespace {

constexpr std::size_t kPrefixLength = 4;

std::string_view prefix_of(CredentialKind kind) {
  switch (kind) {
    case CredentialKind::key:
      return "ink_";
    case CredentialKind::session:
      return "ins_";
    case CredentialKind::link:
      return "inl_";
  }
  return "";
}

}  // namespace

std::string make_secret(CredentialKind kind) {
  return random_secret(prefix_of(kind));
}

std::optional<CredentialKind> kind_of_secret(std::string_view secret) {
  for (const auto& [kind, word] : Words<CredentialKind>::all) {
    if (secret.substr(0, kPrefixLength) == prefix_of(kind)) {
      return kind;
    }
  }
  return std::nullopt;
}

std::string secret_hash(std::string_view secret) {
  Sha256 sha;
  sha.update(std::as_bytes(std::span{secret}));
  return hex(sha.finish());
}

}  // namespace infernode
