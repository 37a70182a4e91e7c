// Goal: the real models read real letters, wherever and however they stand. Method: a frame with
// five signs, whose words are known; its annotated image as it was looked at.
#include "pipelines/text/text.hpp"

#include <gtest/gtest.h>

#include "testing/golden.hpp"
#include "testing/one_frame.hpp"

namespace infernode::text {
namespace {

namespace json = boost::json;

FrameResult text_in(const char* clip, json::object params) {
  params.emplace("pipeline", "text");
  return test::result_of_frame(*make_pipeline(), params, clip, 0);
}

TEST(Text, IsReadLevelTurnedAndUpsideDown) {
  const auto result = text_in("examples/signs.mp4", {});
  const auto frame = json::parse(result.json);
  std::map<std::string, const json::value*> lines;
  for (const auto& line : frame.at("objects").as_array()) {
    lines[json::value_to<std::string>(line.at("text"))] = &line;
  }
  // The model leaves out most spaces.
  for (const std::string text : {"HARBOURSTREET", "Platform9", "NOPARKING", "B-CX4271", "EXIT",
                                 "\xe5\x87\xba\xe5\x8f\xa3"}) {
    ASSERT_TRUE(lines.contains(text)) << text << result.json;
    EXPECT_GT(lines[text]->at("text_confidence").to_number<double>(), 0.9);
  }
  EXPECT_EQ(result.tally, (std::map<std::string, std::int64_t>{{"text", 6}}));
  const auto corner = [&](const std::string& text, std::size_t number) {
    const auto& point = lines[text]->at("polygon").at(number);
    return std::pair{point.at(0).to_number<double>(), point.at(1).to_number<double>()};
  };
  // It rises from left to right, and the other stands on its head.
  EXPECT_GT(corner("HARBOURSTREET", 0).second, corner("HARBOURSTREET", 1).second + 20);
  EXPECT_GT(corner("NOPARKING", 0).first, corner("NOPARKING", 1).first + 150);
  EXPECT_GT(corner("NOPARKING", 0).second, corner("NOPARKING", 3).second + 15);
}

TEST(Text, LooksAsItShould) {
  test::expect_golden_jpeg(text_in("examples/signs.mp4", {}).jpeg, "docs/images/text.jpg");
}

TEST(Text, IsFoundWithoutBeingRead) {
  const auto result = text_in("examples/signs.mp4", {{"reader", "none"}, {"direction", "none"}});
  const auto frame = json::parse(result.json);
  EXPECT_EQ(frame.at("objects").as_array().size(), 6U);
  EXPECT_FALSE(frame.at("objects").at(0).as_object().contains("text"));
}

// What is hidden need not be legible.
TEST(Text, IsHiddenWhereItCannotBeRead) {
  const json::object unread{{"text_confidence", 1}};
  const auto dropped = json::parse(text_in("examples/signs.mp4", unread).json);
  EXPECT_LT(dropped.at("objects").as_array().size(), 6U);
  auto hiding = unread;
  hiding.emplace("anonymize", "blur");
  const auto hidden = json::parse(text_in("examples/signs.mp4", hiding).json);
  EXPECT_GE(hidden.at("objects").as_array().size(), 6U);
}

// Lines that were left out cannot be hidden afterwards.
TEST(Text, IsNotHiddenAfterwardsWhereLinesWereLeftOut) {
  const auto models = inference::load_catalogue(INFERNODE_MODELS);
  const auto pipeline = make_pipeline();
  const json::object blur{{"anonymize", "blur"}};
  const auto again = [&](json::object given) {
    given.emplace("pipeline", "text");
    given.emplace("track", true);
    const auto before = pipeline->resolve(given, {20}, models);
    return pipeline->resolve_again(JobId::random(), before.value(), blur, {20}, models);
  };
  const auto refused = again({});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().fields.at(0).pointer, "/params/anonymize");
  EXPECT_TRUE(again({{"text_confidence", 0}}));
  EXPECT_TRUE(again({{"reader", "none"}}));
  EXPECT_TRUE(again({{"anonymize", "fill"}}));
}

// Where there is none, none is made up.
TEST(Text, IsNotMadeUp) {
  const auto frame = json::parse(text_in("tests/data/walker.mp4", {}).json);
  EXPECT_TRUE(frame.at("objects").as_array().empty());
}

}  // namespace
}  // namespace infernode::text
