// Goal: segments cover exactly the selected frames; params contradict neither themselves nor the
// video; documents add up.
// Method: many random selections checked against the definition; tables for the rest.
#include <gtest/gtest.h>
#include <unistd.h>

#include <random>

#include "accounts/password.hpp"
#include "accounts/token_signer.hpp"
#include "jobs/job_params.hpp"
#include "jobs/segment_plan.hpp"
#include "results/image_index.hpp"
#include "results/result_document.hpp"

#include <jwt.h>
#include <openssl/pem.h>
#include <filesystem>
#include <fstream>

namespace infernode {
namespace {

TEST(SegmentPlan, CoversEverySelectedFrameOnce) {
  std::mt19937 random{7};
  const auto number = [&](int most) { return std::uniform_int_distribution<int>{0, most}(random); };
  for (int round = 0; round < 2000; ++round) {
    const int start = number(500);
    const int end = start + 1 + number(5000);
    const int step = 1 + number(round % 3 == 0 ? 5000 : 5);
    std::vector<media::Keyframe> keyframes;
    for (int frame = 0; frame < end; frame += 16 + number(300)) {
      keyframes.push_back(media::Keyframe{frame, frame * 100L});
    }
    const auto segments = plan_segments(start, end, step, keyframes);
    std::vector<int> planned;
    int images = 0;
    for (const auto& segment : segments) {
      EXPECT_GT(segment.images, 0);
      EXPECT_LE(segment.images, 100);
      int here = 0;
      for (int frame = segment.start_frame; frame < segment.end_frame; frame += step) {
        planned.push_back(frame);
        ++here;
      }
      EXPECT_EQ(here, segment.images);
      images += segment.images;
    }
    std::vector<int> selected;
    for (int frame = start; frame < end; frame += step) {
      selected.push_back(frame);
    }
    ASSERT_EQ(planned, selected) << start << " " << end << " " << step;
    ASSERT_EQ(images, count_images(start, end, step));
  }
}

TEST(SegmentPlan, SurvivesTheLargestNumbers) {
  const int most = std::numeric_limits<int>::max();
  EXPECT_EQ(plan_segments(0, most, most, {}).size(), 1U);
  EXPECT_EQ(plan_segments(most - 1, most, 1, {}).size(), 1U);
  EXPECT_TRUE(plan_segments(5, 5, 1, {}).empty());
  EXPECT_EQ(count_images(0, 10, 3), 4);
}

TEST(SegmentPlan, CutsAtKeyframesWhereItCan) {
  const std::vector<media::Keyframe> keyframes{{0, 0}, {50, 1}, {100, 2}};
  const auto segments = plan_segments(0, 120, 1, keyframes);
  ASSERT_EQ(segments.size(), 2U);
  EXPECT_EQ(segments[0].end_frame, 50);
  EXPECT_EQ(keyframe_before(keyframes, 99)->frame, 50);
  EXPECT_EQ(keyframe_before({}, 99), nullptr);
}

inference::Model detector() {
  inference::Model model;
  model.name = "m";
  model.pipeline = "detect";
  model.labels = {"person", "car"};
  return model;
}

TEST(Params, FillsDefaultsIn) {
  const auto params = resolve_params({{"pipeline", "detect"}}, 120, {detector()});
  ASSERT_TRUE(params);
  EXPECT_EQ(params->at("end_frame").as_int64(), 120);
  EXPECT_EQ(params->at("model").as_string(), "m");
  EXPECT_EQ(params->at("confidence").as_double(), 0.3);
}

TEST(Params, NamesTheKeyThatIsWrong) {
  using boost::json::object;
  const std::vector<std::pair<object, std::string>> cases{
      {{{"pipeline", "detect"}, {"start_frame", 120}}, "/params/start_frame"},
      {{{"pipeline", "detect"}, {"end_frame", 121}}, "/params/end_frame"},
      {{{"pipeline", "detect"}, {"start_frame", 5}, {"end_frame", 5}}, "/params/end_frame"},
      {{{"pipeline", "detect"}, {"model", "other"}}, "/params/model"},
      {{{"pipeline", "detect"}, {"classes", {"person", "unicorn"}}}, "/params/classes/1"},
      {{{"pipeline", "pose"}}, "/params/pipeline"}};
  for (const auto& [given, pointer] : cases) {
    const auto params = resolve_params(given, 120, {detector()});
    ASSERT_FALSE(params) << pointer;
    EXPECT_EQ(params.error().fields.at(0).pointer, pointer);
  }
}

TEST(ImageIndex, ComesBackAsItWas) {
  std::vector<std::byte> index;
  const IndexedImage image{123456, 5'000'000'123, 77, 0xdeadbeef};
  append_to_index(index, image);
  append_to_index(index, IndexedImage{});
  const auto read = read_index(index);
  ASSERT_EQ(read.size(), 2U);
  EXPECT_EQ(read[0].frame, image.frame);
  EXPECT_EQ(read[0].offset, image.offset);
  EXPECT_EQ(read[0].size, image.size);
  EXPECT_EQ(read[0].crc32, image.crc32);
  EXPECT_EQ(zip_entry(image, 10).name, "123456.jpg");
  index.pop_back();
  EXPECT_THROW(read_index(index), std::runtime_error);
}

TEST(ResultDocument, AddsUp) {
  ResultTotals totals;
  totals.add(3, 1, 0, 2.5,
             {{"labels", {{"person", 2}}}, {"energy_method", "rapl"}, {"runtime", "r"}});
  totals.add(4, 0, 2, 1.5,
             {{"labels", {{"person", 1}, {"car", 1}}},
              {"reasons", {{"not_decodable", 2}}},
              {"energy_method", "rapl"},
              {"runtime", "r"}});
  ResultFacts facts;
  facts.params = {{"pipeline", "detect"}, {"model", "m"}};
  facts.grid = {360, "test"};
  const auto head = result_head(facts, totals);
  EXPECT_EQ(head.at("accounting").at("selected").as_int64(), 10);
  EXPECT_EQ(head.at("accounting").at("processed").as_int64(), 7);
  EXPECT_EQ(head.at("summary").at("objects").as_int64(), 4);
  EXPECT_EQ(head.at("energy").at("method").as_string(), "rapl");
  EXPECT_DOUBLE_EQ(head.at("energy").at("grams_co2e").as_double(), 4 / 3.6e6 * 360);
  const auto frame = frame_of(boost::json::serialize(head));
  EXPECT_TRUE(boost::json::parse(frame.before + "{\"frame\":0}" + frame.after).is_object());
}

TEST(Password, IsBcrypt) {
  const std::string hash = hash_password("correct horse", 4);
  EXPECT_TRUE(hash.starts_with("$2b$04$"));
  EXPECT_TRUE(password_matches("correct horse", hash));
  EXPECT_FALSE(password_matches("correct horsf", hash));
  EXPECT_FALSE(password_matches("x", "not a hash"));
  EXPECT_FALSE(password_matches("x", ""));
}

class Signer : public testing::Test {
protected:
  Signer() { generate_key(folder_); }
  ~Signer() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("infernode-keys-" + std::to_string(getpid()));
  TokenClaims claims_{UserId::random(), "a@example.com", "user", 1000, 2000};
};

TEST_F(Signer, VerifiesItsOwnTokensUntilTheyExpire) {
  const TokenSigner signer{folder_};
  const std::string token = signer.sign(claims_);
  const auto claims = signer.verify(token, 1500);
  ASSERT_TRUE(claims);
  EXPECT_EQ(claims->user, claims_.user);
  EXPECT_EQ(claims->role, "user");
  EXPECT_FALSE(signer.verify(token, 2000));
  EXPECT_EQ(signer.key_set().at("keys").as_array().size(), 1U);
  EXPECT_EQ(std::filesystem::status(*std::filesystem::directory_iterator{folder_}).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

TEST_F(Signer, KeepsVerifyingWithOlderKeys) {
  const std::string token = TokenSigner{folder_}.sign(claims_);
  generate_key(folder_);
  const TokenSigner signer{folder_};
  EXPECT_TRUE(signer.verify(token, 1500));
  EXPECT_TRUE(signer.verify(signer.sign(claims_), 1500));
  EXPECT_EQ(signer.key_set().at("keys").as_array().size(), 2U);
}

TEST_F(Signer, RefusesTokensThatItDidNotSign) {
  const TokenSigner signer{folder_};
  const std::string token = signer.sign(claims_);
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
