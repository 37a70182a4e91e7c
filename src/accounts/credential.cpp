#include "accounts/credential.hpp"

#include <openssl/rand.h>

#include <array>
#include <span>
#include <stdexcept>

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
  std::array<unsigned char, 32> bytes{};
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) {
    throw std::runtime_error("there is no randomness for a secret");
  }
  return std::string{prefix_of(kind)} + base64url(std::as_bytes(std::span{bytes}));
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
