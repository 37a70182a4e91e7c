// Goal: the values that everything else is made of are exact.
// Method: tables of inputs and outputs, edges first.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <regex>
#include <set>

#include "core/clock.hpp"
#include "core/config.hpp"
#include "core/digest.hpp"
#include "core/id.hpp"
#include "core/json.hpp"
#include "core/log.hpp"
#include "core/page.hpp"
#include "core/tokens.hpp"

namespace infernode {
namespace {

TEST(Tokens, ParsesAtMostThreeDecimals) {
  EXPECT_EQ(Tokens::parse("99.205")->thousandths(), 99205);
  EXPECT_EQ(Tokens::parse("-0.5")->thousandths(), -500);
  EXPECT_EQ(Tokens::parse("7")->thousandths(), 7000);
  EXPECT_EQ(Tokens::parse("0.001")->thousandths(), 1);
  for (const char* wrong : {"", ".", "1.", ".5", "1.2345", "1e3", " 1", "1 ", "+1", "--1", "0x1",
                            "4398046511104", "99999999999999999999"}) {
    EXPECT_FALSE(Tokens::parse(wrong)) << wrong;
  }
}

TEST(Tokens, AddsAndMultipliesExactly) {
  const Tokens price = Tokens::from_thousandths(2);
  EXPECT_EQ((price * 120).to_string(), "0.240");
  EXPECT_EQ((Tokens::from_thousandths(100'000) - price * 3).to_string(), "99.994");
  EXPECT_EQ((-price).to_string(), "-0.002");
  // A thousand frames at a thousandth of a token are one token, to the last digit.
  Tokens sum;
  for (int i = 0; i < 1000; ++i) {
    sum = sum + Tokens::from_thousandths(1);
  }
  EXPECT_EQ(sum.to_string(), "1.000");
}

TEST(Tokens, RefusesToOverflow) {
  const Tokens most = Tokens::from_thousandths(Tokens::kMaxThousandths);
  EXPECT_THROW(most + Tokens::from_thousandths(1), std::overflow_error);
  EXPECT_THROW(most * 2, std::overflow_error);
  EXPECT_THROW(most * std::numeric_limits<std::int64_t>::max(), std::overflow_error);
}

TEST(Tokens, AreWrittenAsPlainJsonNumbers) {
  const auto text = [](std::int64_t thousandths) {
    return json_text(json_tokens(Tokens::from_thousandths(thousandths)));
  };
  EXPECT_EQ(text(99205), "99.205");
  EXPECT_EQ(text(100'000), "100");
  EXPECT_EQ(text(-240), "-0.24");
  EXPECT_EQ(text(1), "0.001");
  // The largest amounts keep every digit.
  EXPECT_EQ(text(Tokens::kMaxThousandths), "4398046511103.999");
}

TEST(Json, RefusesWhatPostgresqlCannotStore) {
  EXPECT_FALSE(parse_json(R"({"a":"\u0000"})"));
  EXPECT_FALSE(parse_json(R"({"a\u0000":1})"));
  EXPECT_FALSE(parse_json(R"({"a":1,"b":{"c":1},"a":2})"));
  EXPECT_FALSE(parse_json(R"([{"b":{"c":1,"\u0063":2}}])"));
  EXPECT_TRUE(parse_json(R"({"a":{"a":[{"a":1},{"a":2}]}})"));
  // Numbers say exactly what was written, or are refused.
  EXPECT_EQ(json_text(*parse_json("[123456789.12300001, 1, {\"a\": [0.1]}, -2.5e-3, 1e2]")),
            "[123456789.12300001,1,{\"a\":[0.1]},-0.0025,100]");
  EXPECT_TRUE(parse_json("[0.30000000000000004, 1e300, 5e-324]"));
  EXPECT_FALSE(parse_json("[1e400]"));
  EXPECT_FALSE(parse_json("[-1e-400]"));
  EXPECT_FALSE(parse_json("[999999999.99900001]"));
  EXPECT_FALSE(parse_json("[0.9999999999999999999]"));
  EXPECT_FALSE(parse_json("[0.0010000000000000000001]"));
  EXPECT_TRUE(parse_json("[0.00100000000000000000000]"));
  EXPECT_TRUE(has_control_character("a\xc2\x85"));
  EXPECT_TRUE(has_control_character("\x7f"));
  EXPECT_FALSE(has_control_character("\xc3\x85 \xc2\xa0"));
  EXPECT_FALSE(parse_json(R"(["\ud800"])"));
  EXPECT_FALSE(parse_json("[\"\xff\"]"));
  EXPECT_FALSE(parse_json("{} {}"));
  EXPECT_FALSE(parse_json("{"));
  EXPECT_FALSE(parse_json(""));
  EXPECT_FALSE(parse_json(std::string(100, '[') + std::string(100, ']')));
  EXPECT_TRUE(parse_json(" {\"a\": [1, 2.5, \"\xc3\xa9\"]} \n"));
}

TEST(Json, SaysWhereItHoldsWhatNoRequestMay) {
  const auto place = [](const std::string& text) {
    const auto read = parse_json(text);
    EXPECT_FALSE(read) << text;
    EXPECT_EQ(read.error().code, ErrorCode::invalid) << text;
    return read.error().fields.at(0).pointer;
  };
  EXPECT_EQ(place(R"({"a":[1,{"b":["x","\u0007"]}]})"), "/a/1/b/1");
  EXPECT_EQ(place(R"(["\t"])"), "/0");
  EXPECT_EQ(place("\"\x7f\""), "");
  const auto list = [](int items) {
    std::string text = "[0";
    for (int i = 1; i < items; ++i) {
      text += i % 2 == 0 ? ",[]" : R"(,"x")";
    }
    return text + "]";
  };
  EXPECT_TRUE(parse_json(list(1000)));
  EXPECT_EQ(place(R"({"a":[[1],)" + list(1001) + "]}"), "/a/1");
  const auto object = [](int members) {
    std::string text;
    for (int i = 0; i < members; ++i) {
      text += (text.empty() ? "" : ",") + ("\"" + std::to_string(i) + "\":1");
    }
    return "{" + text + "}";
  };
  EXPECT_TRUE(parse_json(object(1000)));
  EXPECT_EQ(place(R"([0,{"a":)" + object(1001) + "}]"), "/1/a");
  // However deep and long, the place stays short.
  std::string deep = R"("\u0001")";
  for (int i = 0; i < 30; ++i) {
    deep = "{\"" + std::string(100, 'k') + "\":" + deep + "}";
  }
  EXPECT_LE(place(deep).size(), 200U);
}

// Against Boost.JSON's own serializer, which is read back.
TEST(Json, WritesEveryString) {
  std::string all;
  for (int c = 0; c < 0x80; ++c) {
    all += static_cast<char>(c);
    const boost::json::value value(boost::json::string{all.data(), all.size()});
    EXPECT_EQ(boost::json::parse(json_text(value)), value);
    const boost::json::value named(boost::json::object{{all, nullptr}});
    EXPECT_EQ(boost::json::parse(json_text(named)), named);
  }
  EXPECT_EQ(json_text("\xe2\x82\xac \"a\\b\"\n\t"), "\"\xe2\x82\xac \\\"a\\\\b\\\"\\n\\t\"");
  EXPECT_EQ(json_text(boost::json::value{true, false, nullptr, -5,
                                         std::numeric_limits<std::uint64_t>::max()}),
            "[true,false,null,-5,18446744073709551615]");
}

TEST(Json, ReadsStringsThatComeInPieces) {
  const auto read = parse_json(R"({"a\u00e9b":"x\n\"y\u20ac"})");
  EXPECT_FALSE(read);  // the line's end
  const auto plain = parse_json(R"({"a\u00e9b":"x\"y\u20ac","c":["\\"]})");
  ASSERT_TRUE(plain);
  EXPECT_EQ(json_text(*plain),
            "{\"a\xc3\xa9"
            "b\":\"x\\\"y\xe2\x82\xac\",\"c\":[\"\\\\\"]}");
}

// Every sequence of up to four bytes that may be a character, against one put together anew.
TEST(Json, KnowsEveryUtf8Character) {
  std::set<std::string> characters;
  for (std::uint32_t code = 0x80; code < 0x110000; ++code) {
    const auto tail = [code](int shift) {
      return static_cast<char>(0x80 | ((code >> shift) & 0x3f));
    };
    std::string text;
    if (code < 0x800) {
      text = {static_cast<char>(0xc0 | (code >> 6)), tail(0)};
    } else if (code < 0x10000) {
      text = {static_cast<char>(0xe0 | (code >> 12)), tail(6), tail(0)};
    } else {
      text = {static_cast<char>(0xf0 | (code >> 18)), tail(12), tail(6), tail(0)};
    }
    ASSERT_EQ(is_utf8(text), code < 0xd800 || code > 0xdfff) << code;
    ASSERT_FALSE(is_utf8(text.substr(0, text.size() - 1))) << code;
    ASSERT_FALSE(is_utf8(text.substr(1))) << code;
    if (is_utf8(text) && code % 61 == 0) {
      characters.insert(text.substr(0, 2));
    }
  }
  // A second byte decides; the third and fourth may be any that goes on.
  for (int first = 0xe0; first < 0x100; ++first) {
    for (int second = 0; second < 0x100; ++second) {
      const std::string two{static_cast<char>(first), static_cast<char>(second)};
      const std::string whole = two + (first < 0xf0 ? "\x85" : "\x85\x85");
      EXPECT_EQ(is_utf8(whole), characters.contains(two)) << first << " " << second;
    }
  }
}

TEST(Json, KnowsUtf8) {
  EXPECT_TRUE(is_utf8("plain \"quoted\" \\ text"));
  EXPECT_TRUE(is_utf8("\xe2\x82\xac"));
  EXPECT_FALSE(
      is_utf8("\xc2"
              "a\x80"));  // the two halves of one, apart
  EXPECT_FALSE(is_utf8("\xe2\x82"));
  EXPECT_FALSE(is_utf8("\xed\xa0\x80"));  // a surrogate
  EXPECT_FALSE(is_utf8("\xc0\xaf"));      // overlong
  EXPECT_FALSE(is_utf8(std::string_view{"a\0b", 3}));
}

TEST(Uuid, ReadsTheCanonicalFormOnly) {
  const auto id = UserId::parse("5EED0000-0000-4000-8000-00000000000f");
  ASSERT_TRUE(id);
  EXPECT_EQ(id->to_string(), "5eed0000-0000-4000-8000-00000000000f");
  for (const char* wrong :
       {"", "5eed0000000040008000000000000001", "{5eed0000-0000-4000-8000-000000000001}",
        "5eed0000-0000-4000-8000-00000000000g", "5eed0000-0000-4000-8000-0000000000011"}) {
    EXPECT_FALSE(UserId::parse(wrong)) << wrong;
  }
  EXPECT_NE(UserId::random(), UserId::random());
}

TEST(Clock, ConvertsBetweenPostgresqlAndRfc3339) {
  const auto time = parse_postgres_time("2026-01-31 12:00:00.123456+00");
  EXPECT_EQ(rfc3339(time), "2026-01-31T12:00:00.123Z");
  EXPECT_EQ(postgres_time(time), "2026-01-31 12:00:00.123456+00");
  EXPECT_EQ(rfc3339(parse_postgres_time("1999-12-31 23:59:59+00")), "1999-12-31T23:59:59.000Z");
  EXPECT_EQ(rfc3339(parse_postgres_time("2026-01-31 12:00:00.5+00")), "2026-01-31T12:00:00.500Z");
  EXPECT_THROW(parse_postgres_time("2026-01-31 12:00:00+01"), std::runtime_error);
  EXPECT_THROW(parse_postgres_time("infinity"), std::runtime_error);
}

TEST(Clock, ReadsRfc3339InAnyZone) {
  const auto time = parse_rfc3339("2026-01-31T12:00:00.1234567Z");
  ASSERT_TRUE(time);
  EXPECT_EQ(postgres_time(*time), "2026-01-31 12:00:00.123456+00");
  EXPECT_EQ(rfc3339(parse_rfc3339("2024-02-29T23:30:00-01:30").value()),
            "2024-03-01T01:00:00.000Z");
  EXPECT_EQ(rfc3339(parse_rfc3339("2026-01-01T00:30:00+00:45").value()),
            "2025-12-31T23:45:00.000Z");
  for (const char* wrong :
       {"", "2026-01-31", "2026-01-31T12:00:00", "2026-02-29T12:00:00Z", "2026-13-01T12:00:00Z",
        "2026-01-31T24:00:00Z", "2026-01-31T12:60:00Z", "2026-01-31T12:00:60Z",
        "2026-01-31T12:00:00+0100", "2026-01-31T12:00:00+1:00", "2026-01-31T12:00:00+01:0x",
        "2026-01-31 12:00:00Z", "2026-01-31T12:00:00Z ", "-026-01-31T12:00:00Z"}) {
    EXPECT_FALSE(parse_rfc3339(wrong)) << wrong;
  }
}

TEST(Page, ReadsItsOwnCursorsOnly) {
  const Cursor cursor{parse_postgres_time("2026-01-31 12:00:00.123456+00"), random_uuid()};
  const auto request = page_request({{"limit", 7}, {"cursor", cursor_text(cursor)}});
  ASSERT_TRUE(request);
  EXPECT_EQ(request->limit, 7);
  EXPECT_EQ(request->after->created_at, cursor.created_at);
  EXPECT_EQ(request->after->id, cursor.id);
  for (const char* wrong : {"", ".", "1", "x.5eed0000-0000-4000-8000-000000000001",
                            "-1.5eed0000-0000-4000-8000-000000000001", "1.x",
                            "99999999999999999.5eed0000-0000-4000-8000-000000000001"}) {
    EXPECT_FALSE(page_request({{"cursor", wrong}})) << wrong;
  }
}

TEST(Digest, MatchesTheStandardsExample) {  // FIPS 180-2, B.1
  Sha256 sha;
  sha.update(std::as_bytes(std::span{"abc", 3}));
  const auto digest = sha.finish();
  EXPECT_EQ(hex(digest), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Config, NamesEveryWrongSettingAtOnce) {
  try {
    load_config({{"INFERNODE_PORT", "70000"},
                 {"INFERNODE_COLOUR", "red"},
                 {"DB_DIALECT", "mysql"},
                 {"UNRELATED", "x"}},
                {{"DB_PASSWORT", "secret"}});
    FAIL() << "accepted";
  } catch (const ConfigError& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find("INFERNODE_PORT=70000: should be a number from 0 to 65535"),
              std::string::npos);
    EXPECT_NE(text.find("INFERNODE_COLOUR=red: there is no such setting"), std::string::npos);
    EXPECT_NE(text.find("DB_DIALECT=mysql: should be postgres"), std::string::npos);
    EXPECT_NE(text.find("DB_PASSWORT"), std::string::npos);
    EXPECT_EQ(text.find("UNRELATED"), std::string::npos);
  }
}

TEST(Config, NeverRepeatsAPassword) {
  try {
    load_config({}, {{"DB_PASSWORD2", "hunter2"}});
    FAIL() << "accepted";
  } catch (const ConfigError& error) {
    EXPECT_EQ(std::string{error.what()}.find("hunter2"), std::string::npos);
  }
}

TEST(Config, PrefersTheEnvironmentToDotenv) {
  const Config config =
      load_config({{"INFERNODE_PORT", "1"}}, {{"INFERNODE_PORT", "2"}, {"DB_HOST", "h"}});
  EXPECT_EQ(config.port, 1);
  EXPECT_FALSE(config.embedded_database());
  EXPECT_TRUE(load_config({}, {}).embedded_database());
}

TEST(Config, ExampleListsEverySettingOnce) {
  std::ifstream in{INFERNODE_SOURCE_DIR "/.env.example"};
  std::vector<std::string> listed;
  const std::regex setting{"^#([A-Z_]+)=.*"};
  for (std::string line; std::getline(in, line);) {
    std::smatch match;
    if (std::regex_match(line, match, setting)) {
      listed.push_back(match[1]);
    }
  }
  EXPECT_EQ(listed, setting_names());
}

// A terminal that is stopped, a pipe that nobody reads: whoever logs goes on (E7).
TEST(Log, HoldsNobodyUpWhenItsLinesAreNotTaken) {
  log::configure("info");
  log::info("the logger is there");
  int pipe_ends[2];
  ASSERT_EQ(pipe(pipe_ends), 0);
  const int before = dup(STDERR_FILENO);
  dup2(pipe_ends[1], STDERR_FILENO);
  for (int i = 0; i < 20'000; ++i) {
    log::info("line {} that nobody reads, {}", i, std::string(80, 'x'));
  }
  dup2(before, STDERR_FILENO);
  close(before);
  close(pipe_ends[1]);
  log::configure("off");
  // What was on its way goes through now, so that the writing thread comes free.
  fcntl(pipe_ends[0], F_SETFL, O_NONBLOCK);
  std::vector<char> sink(1 << 16);
  std::size_t taken = 0;
  for (int quiet = 0; quiet < 50;) {
    const ssize_t got = read(pipe_ends[0], sink.data(), sink.size());
    taken += got > 0 ? static_cast<std::size_t>(got) : 0;
    quiet = got > 0 ? 0 : quiet + 1;
    usleep(1000);
  }
  close(pipe_ends[0]);
  EXPECT_GT(taken, 0U);
}

}  // namespace
}  // namespace infernode
