// Goal: the edge takes apart what clients send, in whatever pieces it arrives.
// Method: each parser over good and bad input; multipart split at every byte.
#include <gtest/gtest.h>

#include "core/embedded.hpp"
#include "core/json.hpp"
#include "http/content.hpp"
#include "http/multipart.hpp"
#include "http/openapi.hpp"
#include "http/problem.hpp"

namespace infernode::http {
namespace {

using Event = MultipartParser::Event;

struct Part {
  PartHeader header;
  std::string content;
};

// Feeds `body` in pieces of `step` bytes; nullopt when it is refused.
std::optional<std::vector<Part>> parse(const std::string& body, std::size_t step) {
  MultipartParser parser{"b"};
  std::vector<Part> parts;
  for (std::size_t at = 0;;) {
    const auto event = parser.next();
    if (!event) {
      return std::nullopt;
    }
    if (*event == Event::need_more) {
      if (at >= body.size()) {
        return std::nullopt;
      }
      const auto piece =
          std::as_bytes(std::span{body}).subspan(at, std::min(step, body.size() - at));
      at += piece.size();
      parser.feed(piece);
    } else if (*event == Event::part) {
      parts.push_back(Part{parser.header(), ""});
    } else if (*event == Event::data) {
      const auto data = parser.take_data();
      parts.back().content.append(reinterpret_cast<const char*>(data.data()), data.size());
    } else if (*event == Event::end) {
      return parts;
    }
  }
}

const std::string kForm =
    "preamble\r\n--b\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\n\r\n"
    "--b \t\r\ncontent-disposition: form-data; name=file; filename=\"C:\\\\dir\\\\a "
    "\\\"b\\\".mp4\"\r\n"
    "Content-Type: video/mp4\r\n\r\nbytes\r\n--not\r\n-\r\n--b--\r\nepilogue";

TEST(Multipart, GivesTheSamePartsHoweverTheBodyIsCut) {
  for (std::size_t step = 1; step <= kForm.size(); ++step) {
    const auto parts = parse(kForm, step);
    ASSERT_TRUE(parts) << step;
    ASSERT_EQ(parts->size(), 2U);
    EXPECT_EQ(parts->at(0).header.name, "name");
    EXPECT_FALSE(parts->at(0).header.is_file);
    EXPECT_EQ(parts->at(0).content, "");
    EXPECT_EQ(parts->at(1).header.name, "file");
    EXPECT_EQ(parts->at(1).header.filename, "a \"b\".mp4");
    EXPECT_EQ(parts->at(1).content, "bytes\r\n--not\r\n-");
  }
}

TEST(Multipart, AFilesNameHasNoControlCharacters) {
  // U+0085 is C2 85; taking one character out must not make another.
  const std::string name = "a\n\xc2\x85\xc2\x01\x9b\xc3\x85.mp4";
  const auto parts = parse("--b\r\nContent-Disposition: form-data; name=file; filename=\"" + name +
                               "\"\r\n\r\nx\r\n--b--",
                           9);
  ASSERT_TRUE(parts);
  EXPECT_EQ(parts->at(0).header.filename, "a\xc3\x85.mp4");
}

TEST(Multipart, RefusesABodyThatIsNone) {
  const std::string header = "--b\r\nContent-Disposition: form-data; name=x\r\n\r\n";
  for (const std::string& wrong :
       {std::string{""}, std::string{"--b"}, header + "text", header + "text\r\n--b",
        std::string{"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--"}, header + "x\r\n--bx\r\n",
        std::string(20'000, 'x'), "--b\r\n" + std::string(20'000, 'h')}) {
    EXPECT_FALSE(parse(wrong, 7)) << wrong.substr(0, 80);
  }
}

TEST(Multipart, KeepsLittleInMemory) {
  MultipartParser parser{"b"};
  const std::string header = "--b\r\nContent-Disposition: form-data; name=x\r\n\r\n";
  parser.feed(std::as_bytes(std::span{header}));
  ASSERT_EQ(*parser.next(), Event::part);
  const std::vector<std::byte> piece(65536, std::byte{'\r'});
  for (int i = 0; i < 100; ++i) {
    parser.feed(piece);
    ASSERT_EQ(*parser.next(), Event::data);
    EXPECT_LE(parser.take_data().size(), piece.size() + 16);
    ASSERT_EQ(*parser.next(), Event::need_more);
  }
}

TEST(Multipart, ReadsBoundaries) {
  EXPECT_EQ(multipart_boundary("multipart/form-data; boundary=abc"), "abc");
  EXPECT_EQ(multipart_boundary("Multipart/Form-Data;charset=x; boundary=\"a b\""), "a b");
  EXPECT_FALSE(multipart_boundary("multipart/form-data"));
  EXPECT_FALSE(multipart_boundary("application/json; boundary=abc"));
  EXPECT_FALSE(multipart_boundary("multipart/form-data; boundary=" + std::string(71, 'x')));
}

TEST(Range, FollowsRfc9110) {
  const auto range = [](const char* header) {
    const auto parsed = parse_range(header, 100);
    switch (parsed.kind) {
      case ByteRange::Kind::outside:
        return std::string{"416"};
      case ByteRange::Kind::part:
        return std::to_string(parsed.first) + "-" + std::to_string(parsed.last);
      default:
        return std::string{"all"};
    }
  };
  EXPECT_EQ(range("bytes=0-9"), "0-9");
  EXPECT_EQ(range("bytes=90-"), "90-99");
  EXPECT_EQ(range("bytes=-10"), "90-99");
  EXPECT_EQ(range("bytes=-1000"), "0-99");
  EXPECT_EQ(range("bytes=50-1000"), "50-99");
  EXPECT_EQ(range("bytes=100-"), "416");
  EXPECT_EQ(range("bytes=-0"), "416");
  for (const char* ignored : {"", "bytes=", "bytes=-", "bytes=9-1", "bytes=0-1,5-6", "lines=0-1",
                              "bytes=a-b", "bytes=--5", "bytes=99999999999999999999-"}) {
    EXPECT_EQ(range(ignored), "all") << ignored;
  }
}

class Document : public testing::Test {
protected:
  ApiDocument document_{"api/openapi.yaml"};
};

TEST_F(Document, ChecksBodies) {
  const auto check = [&](const char* operation, const char* body) {
    return document_.check_body(operation, boost::json::parse(body));
  };
  EXPECT_TRUE(check("createDataset", R"({"name":"a","tags":["x"]})"));
  for (const char* wrong :
       {R"({})", R"([])", R"("a")", R"({"name":1})", R"({"name":""})", R"({"name":"a","extra":1})",
        R"({"name":"a","tags":"x"})", R"({"name":"a","tags":["x","x"]})", R"({"name":null})"}) {
    const auto result = check("createDataset", wrong);
    ASSERT_FALSE(result) << wrong;
    EXPECT_EQ(result.error().code, ErrorCode::invalid);
    EXPECT_FALSE(result.error().fields.empty()) << wrong;
  }
  EXPECT_TRUE(check(
      "createJobs",
      R"({"dataset_id":"5eed0000-0000-4000-8000-000000000001","params":{"pipeline":"detect"}})"));
  const auto wrong =
      check("createJobs",
            R"({"video_ids":["5eed0000-0000-4000-8000-000000000001"],"params":{"confidence":2}})");
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().fields.at(0).pointer, "/params/pipeline");
}

TEST_F(Document, PointsAtTheMember) {
  const auto pointer = [&](const char* operation, const char* body) {
    const auto result = document_.check_body(operation, boost::json::parse(body));
    return result ? ""
                  : result.error().fields.at(0).pointer + " " + result.error().fields.at(0).detail;
  };
  EXPECT_EQ(pointer("login", R"({"email":"a@example.com"})"), "/password is missing");
  EXPECT_EQ(pointer("createDataset", R"({"name":"a","it's/a~b":1})"),
            "/it's~1a~0b is not known here");
  EXPECT_EQ(pointer("createJobs", R"({"params":{"pipeline":7}})").substr(0, 17),
            "/params/pipeline ");
}

TEST_F(Document, ReadsQueriesByTheirTypes) {
  const auto query = document_.parse_query("listDatasets", "limit=3&tag=a&tag=b%20c&deleted=true");
  ASSERT_TRUE(query) << query.error().detail;
  EXPECT_EQ(query->at("limit").as_int64(), 3);
  EXPECT_EQ(query->at("tag").as_array().size(), 2U);
  EXPECT_EQ(query->at("tag").as_array().at(1).as_string(), "b c");
  EXPECT_TRUE(query->at("deleted").as_bool());
  EXPECT_EQ(document_.parse_query("listDatasets", "&q=a+b%2B&")->at("q").as_string(), "a b+");
  EXPECT_FALSE(document_.parse_query("listDatasets", "")->at("deleted").as_bool());
  for (const char* wrong :
       {"limit=0", "limit=201", "limit=x", "limit=", "limit=1&limit=2", "nope=1", "deleted=maybe",
        "q=%00", "q=%zz", "q=%", "q=%4", "q=%ff", "q=%+1", "="}) {
    EXPECT_FALSE(document_.parse_query("listDatasets", wrong)) << wrong;
  }
}

TEST(Problem, TellsWhatIsMissing) {
  Error error{ErrorCode::insufficient_tokens, "too little"};
  error.required = Tokens::from_thousandths(240);
  error.available = Tokens::from_thousandths(100);
  const Response response = problem_response(error, "r-1");
  EXPECT_EQ(response.status, 402);
  const auto body = boost::json::parse(response.body);
  EXPECT_EQ(body.at("type").as_string(), "/problems/insufficient-tokens");
  EXPECT_EQ(body.at("required").as_double(), 0.24);
  EXPECT_EQ(body.at("available").as_double(), 0.1);
  EXPECT_EQ(body.at("instance").as_string(), "r-1");
}

}  // namespace
}  // namespace infernode::http
