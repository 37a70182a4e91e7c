#include "accounts/token_signer.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <jwt.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string_view>
#include <tuple>
#include <utility>

#include "core/clock.hpp"

namespace infernode {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr unsigned kKeyBits = 2048;
// Tokens remembered in each generation; about 300 bytes each.
constexpr std::size_t kRemembered = 10'000;
constexpr std::size_t kMaxTokenBytes = 8192;
constexpr const char* kIssuer = "infernode";

using PKey = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
using BigNumber = std::unique_ptr<BIGNUM, decltype(&BN_free)>;
using Jwt = std::unique_ptr<jwt_t, decltype(&jwt_free)>;

std::string contents(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(size)};
}

std::vector<std::byte> rsa_parameter(const EVP_PKEY* key, const char* name) {
  BIGNUM* raw = nullptr;
  EVP_PKEY_get_bn_param(key, name, &raw);
  const BigNumber number{raw, BN_free};
  std::vector<std::byte> bytes(static_cast<std::size_t>(BN_num_bytes(raw)));
  BN_bn2bin(raw, reinterpret_cast<unsigned char*>(bytes.data()));
  return bytes;
}

struct AgedFile {
  fs::path path;
  fs::file_time_type written;
};

// By age, then by name, which begins with the time it was made.
std::vector<AgedFile> key_files(const fs::path& folder) {
  std::vector<AgedFile> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".pem") {
      files.push_back(AgedFile{entry.path(), entry.last_write_time()});
    }
  }
  std::sort(files.begin(), files.end(), [](const AgedFile& a, const AgedFile& b) {
    return std::tie(a.written, a.path) < std::tie(b.written, b.path);
  });
  return files;
}

std::string grant(jwt_t* token, const char* name) {
  const char* value = jwt_get_grant(token, name);
  return value == nullptr ? std::string{} : std::string{value};
}

// Base64url without padding; empty for what is none.
std::vector<unsigned char> from_base64url(std::string text) {
  std::replace(text.begin(), text.end(), '-', '+');
  std::replace(text.begin(), text.end(), '_', '/');
  const std::size_t padding = (4 - text.size() % 4) % 4;
  text.append(padding, '=');
  std::vector<unsigned char> bytes(text.size() / 4 * 3);
  const int size =
      EVP_DecodeBlock(bytes.data(), reinterpret_cast<const unsigned char*>(text.data()),
                      static_cast<int>(text.size()));
  if (size < 0 || padding > 2) {
    return {};
  }
  bytes.resize(static_cast<std::size_t>(size) - padding);
  return bytes;
}

// Whether the last part of a token is the RS256 signature of what stands before it.
bool signature_fits(EVP_PKEY* key, const std::string& token) {
  const auto dot = token.rfind('.');
  const auto signature = from_base64url(token.substr(dot + 1));
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context{EVP_MD_CTX_new(),
                                                                        EVP_MD_CTX_free};
  return context != nullptr &&
         EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key) == 1 &&
         EVP_DigestVerify(context.get(), signature.data(), signature.size(),
                          reinterpret_cast<const unsigned char*>(token.data()), dot) == 1;
}

}  // namespace

bool has_keys(const fs::path& folder) {
  return !key_files(folder).empty();
}

fs::path generate_key(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  chmod(folder.c_str(), 0700);
  const PKey key{EVP_RSA_gen(kKeyBits), EVP_PKEY_free};
  const Bio bio{BIO_new(BIO_s_mem()), BIO_free};
  if (!key || !bio ||
      PEM_write_bio_PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    throw std::runtime_error("OpenSSL could not make a key");
  }
  const auto now =
      std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
  std::string name = rfc3339(now);
  std::erase(name, ':');
  const fs::path file = folder / (name + ".pem");
  const fs::path part = file.string() + ".part";
  const int descriptor = open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const std::string pem = contents(bio.get());
  const bool written =
      descriptor >= 0 &&
      write(descriptor, pem.data(), pem.size()) == static_cast<ssize_t>(pem.size()) &&
      fsync(descriptor) == 0;
  const int cause = errno;
  if (descriptor >= 0) {
    close(descriptor);
  }
  if (!written) {
    throw std::runtime_error(
        fmt::format("{} cannot be written: {}", part.string(), std::strerror(cause)));
  }
  fs::rename(part, file);
  return file;
}

KeyRing load_keys(const fs::path& folder, std::chrono::seconds token_life) {
  std::vector<AgedFile> files = key_files(folder);
  const auto now = fs::file_time_type::clock::now();
  // All that was signed by the key before one that has signed for a token's life has expired.
  for (std::size_t next = files.size(); next-- > 1;) {
    if (files[next].written + kKeyPublishedBefore + token_life < now) {
      files.erase(files.begin(), files.begin() + static_cast<std::ptrdiff_t>(next));
      break;
    }
  }
  KeyRing ring;
  json::array set;
  for (const auto& [file, written] : files) {
    std::ifstream in{file};
    std::string pem{std::istreambuf_iterator<char>{in}, {}};
    const Bio bio{BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free};
    const std::shared_ptr<EVP_PKEY> key{
        PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr), EVP_PKEY_free};
    if (!key || EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_RSA) {
      throw std::runtime_error(fmt::format(
          "{} is no RSA private key; remove it or run 'infernode keys:generate'", file.string()));
    }
    const auto modulus = rsa_parameter(key.get(), OSSL_PKEY_PARAM_RSA_N);
    const auto exponent = rsa_parameter(key.get(), OSSL_PKEY_PARAM_RSA_E);
    Sha256 sha;
    sha.update(modulus);
    const auto digest = sha.finish();
    KeyRing::Key entry{hex(std::span{digest}.first(8)), std::move(pem), key};
    set.push_back(json::object{{"kty", "RSA"},
                               {"use", "sig"},
                               {"alg", "RS256"},
                               {"kid", entry.id},
                               {"n", base64url(modulus)},
                               {"e", base64url(exponent)}});
    if (written + kKeyPublishedBefore <= now) {
      ring.signing = ring.keys.size();
    }
    ring.keys.push_back(std::move(entry));
  }
  if (ring.keys.empty()) {
    throw std::runtime_error(
        fmt::format("there is no key in {}: run 'infernode keys:generate' first", folder.string()));
  }
  ring.key_set.emplace("keys", std::move(set));
  return ring;
}

std::string sign_token(const KeyRing& ring, const TokenClaims& claims) {
  jwt_t* raw = nullptr;
  if (jwt_new(&raw) != 0) {
    throw std::bad_alloc{};
  }
  const Jwt token{raw, jwt_free};
  const KeyRing::Key& key = ring.keys.at(ring.signing);
  jwt_add_header(raw, "kid", key.id.c_str());
  jwt_add_grant(raw, "iss", kIssuer);
  jwt_add_grant(raw, "sub", claims.user.to_string().c_str());
  jwt_add_grant(raw, "email", claims.email.c_str());
  jwt_add_grant(raw, "role", claims.role.c_str());
  jwt_add_grant(raw, "jti", uuid_text(random_uuid()).c_str());
  jwt_add_grant_int(raw, "session_epoch", claims.session_epoch);
  jwt_add_grant_int(raw, "iat", claims.issued_at);
  jwt_add_grant_int(raw, "exp", claims.expires_at);
  jwt_set_alg(raw, JWT_ALG_RS256, reinterpret_cast<const unsigned char*>(key.private_pem.data()),
              static_cast<int>(key.private_pem.size()));
  char* encoded = jwt_encode_str(raw);
  if (encoded == nullptr) {
    throw std::runtime_error("a token could not be signed");
  }
  const std::unique_ptr<char, decltype(&std::free)> owned{encoded, std::free};
  return encoded;
}

void TokenSigner::replace_keys(KeyRing ring) {
  const bool same =
      std::equal(ring.keys.begin(), ring.keys.end(), ring_->keys.begin(), ring_->keys.end(),
                 [](const auto& one, const auto& other) { return one.id == other.id; });
  if (same && ring.signing == ring_->signing) {
    return;
  }
  ring_ = std::make_shared<const KeyRing>(std::move(ring));
  recent_.clear();
  older_.clear();
}

std::optional<TokenClaims> TokenSigner::verify(const std::string& token, std::int64_t now) {
  if (token.size() > kMaxTokenBytes) {
    return std::nullopt;
  }
  Sha256 sha;
  sha.update(std::as_bytes(std::span{token}));
  const auto digest = sha.finish();
  std::optional<TokenClaims> claims;
  if (const auto found = recent_.find(digest); found != recent_.end()) {
    claims = found->second;
  } else {
    const auto known = older_.find(digest);
    claims = known != older_.end() ? known->second : check(token, now);
    if (!claims) {
      return std::nullopt;
    }
    if (recent_.size() == kRemembered) {
      older_ = std::exchange(recent_, {});
    }
    recent_.emplace(digest, *claims);
  }
  return claims->expires_at > now ? claims : std::nullopt;
}

std::optional<TokenClaims> TokenSigner::check(const std::string& text, std::int64_t now) const {
  // Without a key libjwt takes the token apart and verifies nothing, which is done here with a key
  // that was read once.
  jwt_t* raw = nullptr;
  if (jwt_decode(&raw, text.c_str(), nullptr, 0) != 0) {
    return std::nullopt;
  }
  const Jwt token{raw, jwt_free};
  const auto header = [raw](const char* name) {
    const char* value = jwt_get_header(raw, name);
    return std::string_view{value == nullptr ? "" : value};
  };
  // The header must not choose how a token is verified: HMAC with our public key as the secret is a
  // signature that anybody can make.
  const auto kid = header("kid");
  const auto key = std::find_if(ring_->keys.begin(), ring_->keys.end(),
                                [&](const auto& each) { return each.id == kid; });
  if (header("alg") != "RS256" || key == ring_->keys.end() ||
      !signature_fits(key->key.get(), text)) {
    return std::nullopt;
  }
  const auto user = UserId::parse(grant(raw, "sub"));
  TokenClaims claims{user.value_or(UserId{}),
                     grant(raw, "email"),
                     grant(raw, "role"),
                     static_cast<int>(jwt_get_grant_int(raw, "session_epoch")),
                     jwt_get_grant_int(raw, "iat"),
                     jwt_get_grant_int(raw, "exp")};
  if (!user || grant(raw, "iss") != kIssuer || claims.expires_at <= now) {
    return std::nullopt;
  }
  return claims;
}

}  // namespace infernode
