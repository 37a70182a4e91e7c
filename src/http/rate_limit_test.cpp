// Goal: a key has its quota at once and again each minute, whatever others do, in bounded memory.
// Method: a clock set by hand.
#include <gtest/gtest.h>

#include "core/origin_set.hpp"
#include "http/rate_limit.hpp"

namespace infernode::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(RateLimit, GivesTheQuotaAtOnceAndAgainWithTime) {
  RateLimit limit{"user", 6};  // one in ten seconds
  const RateLimit::Clock::time_point start{seconds{1000}};
  for (int i = 5; i >= 0; --i) {
    const auto count = limit.take("a", start);
    EXPECT_TRUE(count.admitted);
    EXPECT_EQ(count.remaining, i);
    EXPECT_EQ(count.reset_seconds, 60 - 10 * i);
  }
  const auto refused = limit.take("a", start + seconds{3});
  EXPECT_FALSE(refused.admitted);
  EXPECT_EQ(refused.remaining, 0);
  EXPECT_EQ(refused.wait_seconds, 7);
  // Being refused costs nothing.
  EXPECT_FALSE(limit.take("a", start + milliseconds{9'999}).admitted);
  EXPECT_TRUE(limit.take("b", start + milliseconds{9'999}).admitted);
  EXPECT_TRUE(limit.take("a", start + seconds{10}).admitted);
  EXPECT_FALSE(limit.take("a", start + seconds{10}).admitted);
  // After a minute of rest it is whole, and not more than that.
  EXPECT_EQ(limit.take("a", start + seconds{500}).remaining, 5);
}

TEST(RateLimit, SaysItInTheWordsOfTheDraft) {
  RateLimit limit{"address", 100};
  EXPECT_EQ(limit.policy_item(), R"("address";q=100;w=60)");
  EXPECT_EQ(limit.count_item(limit.take("a", RateLimit::Clock::time_point{seconds{1000}})),
            R"("address";r=99;t=1)");
}

TEST(RateLimit, KeepsABoundedNumberOfKeys) {
  RateLimit limit{"address", 1};
  const RateLimit::Clock::time_point start{seconds{1000}};
  for (int i = 0; i < 150'000; ++i) {
    EXPECT_TRUE(limit.take(std::to_string(i), start + milliseconds{i / 10}).admitted);
  }
  EXPECT_EQ(limit.keys(), 100'000U);
  // Those whose minute is over make room for others.
  EXPECT_TRUE(limit.take("fresh", start + seconds{100}).admitted);
  EXPECT_EQ(limit.keys(), 1U);
}

TEST(OriginSet, TakesOriginsAsBrowsersWriteThem) {
  const auto set = OriginSet::parse("https://a.example, http://localhost:5173,http://[::1]:80");
  ASSERT_TRUE(set);
  EXPECT_TRUE(set->contains("https://a.example"));
  EXPECT_TRUE(set->contains("http://[::1]:80"));
  EXPECT_FALSE(set->contains("http://a.example"));
  EXPECT_FALSE(set->contains("https://a.example.evil"));
  EXPECT_FALSE(set->contains("null"));
  EXPECT_FALSE(set->contains(""));
  EXPECT_TRUE(OriginSet::parse("*")->contains("https://any.example"));
  EXPECT_FALSE(OriginSet::parse("*")->contains(""));
  EXPECT_TRUE(OriginSet::parse("")->empty());
  for (const char* wrong : {"a.example", "https://", "https://a.example/", "https://A.example",
                            "ftp://a.example", "https://u@a.example"}) {
    EXPECT_FALSE(OriginSet::parse(wrong)) << wrong;
  }
}

}  // namespace
}  // namespace infernode::http
