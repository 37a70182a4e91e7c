// Goal: passwords, keys and tokens are as safe as they look.
// Method: the real bcrypt, OpenSSL and libjwt, and forged tokens.
#include <crypt.h>
#include <gtest/gtest.h>
#include <jwt.h>
#include <openssl/pem.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <fstream>

#include "accounts/login_throttle.hpp"
#include "accounts/password.hpp"
#include "accounts/token_signer.hpp"
#include "core/error.hpp"

namespace infernode {
namespace {

TEST(Password, IsBcrypt) {
  const std::string hash = hash_password("correct horse", 4);
  EXPECT_TRUE(hash.starts_with("$2b$04$"));
  EXPECT_TRUE(password_matches("correct horse", hash));
  EXPECT_FALSE(password_matches("correct horsf", hash));
  EXPECT_FALSE(password_matches("x", "not a hash"));
  EXPECT_FALSE(password_matches("x", ""));
  EXPECT_EQ(password_cost(hash), 4);
  EXPECT_EQ(password_cost("not a hash"), 0);
}

// What waits is bounded: one more is refused at once, and a place is free again after each.
TEST(Password, RefusesWhatWouldWaitTooLong) {
  boost::asio::io_context context;
  PasswordHasher hasher{4, 2};
  int hashed = 0;
  int refused = 0;
  const auto hash_one = [&]() -> boost::asio::awaitable<void> {
    try {
      const auto hash = co_await hasher.hash("a password");
      hashed += hash.starts_with("$2b$04$") ? 1 : 0;
    } catch (const Unavailable&) {
      ++refused;
    }
  };
  for (int round = 1; round <= 2; ++round) {
    for (int i = 0; i < 5; ++i) {
      boost::asio::co_spawn(context, hash_one(), boost::asio::detached);
    }
    context.run();
    context.restart();
    EXPECT_EQ(hashed, 2 * round);
    EXPECT_EQ(refused, 3 * round);
  }
}

// Should it be no bcrypt hash, an unknown e-mail address would be answered at once.
TEST(Password, DecoyCostsTheSameWork) {
  const std::string decoy = decoy_hash(5);
  EXPECT_EQ(password_cost(decoy), 5);
  EXPECT_EQ(decoy.size(), hash_password("correct horse", 5).size());
  const std::string hashed = crypt("correct horse", decoy.c_str());
  EXPECT_TRUE(hashed.starts_with("$2b$05$......................")) << hashed;
  EXPECT_FALSE(password_matches("correct horse", decoy));
}

class Signer : public testing::Test {
protected:
  Signer() { generate_key(folder_); }
  ~Signer() override { std::filesystem::remove_all(folder_); }

  KeyRing load() const { return load_keys(folder_, kTokenLife); }
  // Makes a key's file this much older.
  static void age(const std::filesystem::path& file, std::chrono::seconds by) {
    std::filesystem::last_write_time(file, std::filesystem::last_write_time(file) - by);
  }

  static constexpr std::chrono::seconds kTokenLife{1000};
  std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("infernode-keys-" + std::to_string(getpid()));
  TokenClaims claims_{UserId::random(), "a@example.com", "user", 7, 1000, 2000};
};

TEST_F(Signer, VerifiesItsOwnTokensUntilTheyExpire) {
  TokenSigner signer{load()};
  const std::string token = sign_token(*signer.keys(), claims_);
  const auto claims = signer.verify(token, 1500);
  ASSERT_TRUE(claims);
  EXPECT_EQ(claims->user, claims_.user);
  EXPECT_EQ(claims->role, "user");
  EXPECT_EQ(claims->session_epoch, 7);
  EXPECT_FALSE(signer.verify(token, 2000));
  EXPECT_EQ(signer.key_set().at("keys").as_array().size(), 1U);
  EXPECT_EQ(std::filesystem::status(*std::filesystem::directory_iterator{folder_}).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

// What was verified once is not asked of the key again, but of the clock and of the keys there are.
TEST_F(Signer, RemembersWhatItVerified) {
  TokenSigner signer{load()};
  const std::string token = sign_token(*signer.keys(), claims_);
  for (int i = 0; i < 3; ++i) {
    const auto claims = signer.verify(token, 1500);
    ASSERT_TRUE(claims);
    EXPECT_EQ(claims->user, claims_.user);
    EXPECT_FALSE(signer.verify(token + "x", 1500));
  }
  EXPECT_FALSE(signer.verify(token, 2000));
  EXPECT_TRUE(signer.verify(token, 1500));
  std::filesystem::remove(*std::filesystem::directory_iterator{folder_});
  generate_key(folder_);
  signer.replace_keys(load());
  EXPECT_FALSE(signer.verify(token, 1500));
}

// A new key is published before it signs, and an older one verifies until all it signed has
// expired.
TEST_F(Signer, RotatesKeys) {
  const std::filesystem::path first = std::filesystem::directory_iterator {
    folder_
    } -> path();
  age(first, std::chrono::hours{1});
  const std::string old_token = sign_token(load(), claims_);
  const auto second = generate_key(folder_);
  const std::string meanwhile = sign_token(load(), claims_);
  EXPECT_EQ(load().keys.size(), 2U);
  EXPECT_EQ(load().signing, 0U);  // the new one is only published yet
  EXPECT_EQ(old_token.substr(0, old_token.find('.')), meanwhile.substr(0, meanwhile.find('.')));

  age(second, kKeyPublishedBefore);
  TokenSigner rotated{load()};
  EXPECT_EQ(load().signing, 1U);
  EXPECT_TRUE(rotated.verify(old_token, 1500));
  EXPECT_TRUE(rotated.verify(sign_token(*rotated.keys(), claims_), 1500));
  EXPECT_EQ(rotated.key_set().at("keys").as_array().size(), 2U);

  age(second, kTokenLife);
  TokenSigner later{load()};
  EXPECT_FALSE(later.verify(old_token, 1500));
  EXPECT_TRUE(later.verify(sign_token(*rotated.keys(), claims_), 1500));
  EXPECT_EQ(later.key_set().at("keys").as_array().size(), 1U);
}

TEST_F(Signer, RefusesAFolderWithoutKeys) {
  EXPECT_THROW(load_keys(folder_ / "none", kTokenLife), std::runtime_error);
  std::ofstream{folder_ / "broken.pem"} << "no key";
  EXPECT_THROW(load(), std::runtime_error);
}

TEST_F(Signer, RefusesTokensThatItDidNotSign) {
  TokenSigner signer{load()};
  const std::string token = sign_token(*signer.keys(), claims_);
  std::string tampered = token;
  tampered[token.find('.') + 5] ^= 1;
  for (const std::string& wrong :
       {std::string{}, std::string{"a.b.c"}, tampered, token + "x",
        token.substr(0, token.rfind('.') + 1), std::string(10'000, 'a')}) {
    EXPECT_FALSE(signer.verify(wrong, 1500)) << wrong;
  }
  // Signed by HMAC with our public key as the secret, as an attacker could.
  std::ifstream in{std::filesystem::directory_iterator{folder_} -> path()};
  const std::string pem{std::istreambuf_iterator<char>{in}, {}};
  BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  EVP_PKEY* key = PEM_read_bio_PrivateKey(bio, nullptr, nullptr, nullptr);
  BIO* out = BIO_new(BIO_s_mem());
  PEM_write_bio_PUBKEY(out, key);
  char* data = nullptr;
  const long size = BIO_get_mem_data(out, &data);
  for (const jwt_alg_t algorithm : {JWT_ALG_HS256, JWT_ALG_NONE}) {
    jwt_t* forged = nullptr;
    jwt_new(&forged);
    jwt_add_grant(forged, "iss", "infernode");
    jwt_add_grant(forged, "sub", claims_.user.to_string().c_str());
    jwt_add_grant(forged, "role", "admin");
    jwt_add_grant_int(forged, "exp", 2000);
    if (algorithm != JWT_ALG_NONE) {
      jwt_set_alg(forged, algorithm, reinterpret_cast<unsigned char*>(data),
                  static_cast<int>(size));
    }
    char* text = jwt_encode_str(forged);
    ASSERT_NE(text, nullptr);
    EXPECT_FALSE(signer.verify(text, 1500)) << text;
    free(text);
    jwt_free(forged);
  }
  BIO_free(out);
  BIO_free(bio);
  EVP_PKEY_free(key);
}

}  // namespace
}  // namespace infernode
