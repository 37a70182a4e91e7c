// Goal: no parser of outside bytes crashes, hangs or reads what is not its own, whatever it is
// given. Method: a corpus of good input for each, mutated with a fixed seed (a failure prints it),
// under the sanitizers in continuous integration. What a run finds becomes a plain test.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <random>
#include <set>

#include "core/config.hpp"
#include "core/embedded.hpp"
#include "core/json.hpp"
#include "core/page.hpp"
#include "db/migrations.hpp"
#include "http/content.hpp"
#include "http/multipart.hpp"
#include "http/openapi.hpp"
#include "media/frame_reader.hpp"
#include "media/probe.hpp"
#include "results/image_index.hpp"
#include "testing/file_source.hpp"

namespace infernode {
namespace {

class Mutator {
public:
  explicit Mutator(std::uint32_t seed) : random_{seed} {}

  std::string mutate(std::string text) {
    for (int i = 1 + number(4); i > 0; --i) {
      const std::size_t at =
          text.empty() ? 0 : static_cast<std::size_t>(number(static_cast<int>(text.size()) - 1));
      switch (number(5)) {
        case 0:
          text.insert(at, 1, static_cast<char>(number(255)));
          break;
        case 1:
          text.erase(at, static_cast<std::size_t>(1 + number(8)));
          break;
        case 2:
          if (!text.empty()) {
            text[at] = static_cast<char>(number(255));
          }
          break;
        case 3:
          text.insert(at, text.substr(at, static_cast<std::size_t>(number(40))));
          break;
        case 4:
          text.resize(at);
          break;
        default:
          text.insert(
              at, std::string(static_cast<std::size_t>(number(300)), "[{\"\\\r\n-%;="[number(10)]));
      }
    }
    return text;
  }
  int number(int most) { return std::uniform_int_distribution<int>{0, most}(random_); }

private:
  std::mt19937 random_;
};

void fuzz(const std::vector<std::string>& corpus, int rounds,
          const std::function<void(const std::string&, Mutator&)>& target) {
  for (std::uint32_t seed = 0; seed < static_cast<std::uint32_t>(rounds); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Mutator mutator{seed};
    target(mutator.mutate(corpus[seed % corpus.size()]), mutator);
  }
}

TEST(Fuzz, Multipart) {
  const std::vector<std::string> corpus{
      "--b\r\nContent-Disposition: form-data; name=\"file\"; "
      "filename=\"a.mp4\"\r\n\r\ndata\r\n--b--\r\n",
      "--b\r\nContent-Disposition: form-data; name=name\r\n\r\nx\r\n--b\r\nContent-Disposition: "
      "form-data; name=file\r\n\r\n\r\n--b--"};
  fuzz(corpus, 20'000, [](const std::string& body, Mutator& mutator) {
    http::MultipartParser parser{"b"};
    std::size_t at = 0;
    std::size_t given = 0;
    for (;;) {
      const auto event = parser.next();
      if (!event || *event == http::MultipartParser::Event::end) {
        break;
      }
      if (*event == http::MultipartParser::Event::need_more) {
        if (at == body.size()) {
          EXPECT_TRUE(parser.finish());
          break;
        }
        const auto step = std::min<std::size_t>(static_cast<std::size_t>(1 + mutator.number(60)),
                                                body.size() - at);
        parser.feed(std::as_bytes(std::span{body}).subspan(at, step));
        at += step;
      } else if (*event == http::MultipartParser::Event::data) {
        given += parser.take_data().size();
      }
    }
    EXPECT_LE(given, body.size());
  });
}

TEST(Fuzz, HeadersAndQueries) {
  const http::ApiDocument document{embedded_file("api/openapi.yaml")};
  fuzz({"bytes=0-9", "bytes=-5", "multipart/form-data; boundary=\"a\\\"b\"",
        "limit=3&tag=a%20b&deleted=true", "1769860800000000.5eed0000-0000-4000-8000-000000000001"},
       20'000, [&](const std::string& text, Mutator&) {
         const auto range = http::parse_range(text, 1000);
         if (range.kind == http::ByteRange::Kind::part) {
           EXPECT_LE(range.first, range.last);
           EXPECT_LT(range.last, 1000);
         }
         http::multipart_boundary(text);
         static_cast<void>(document.parse_query("listDatasets", text).has_value());
         static_cast<void>(page_request({{"cursor", text}}).has_value());
       });
}

TEST(Fuzz, Json) {
  const http::ApiDocument document{embedded_file("api/openapi.yaml")};
  fuzz(
      {R"({"video_ids":["5eed0000-0000-4000-8000-000000000001"],"params":{"pipeline":"detect","confidence":0.5,"classes":["a"]}})",
       R"({"dataset_id":"5eed0000-0000-4000-8000-000000000001","params":{"pipeline":"detect","end_frame":10}})"},
      5'000, [&](const std::string& text, Mutator&) {
        const auto value = parse_json(text);
        if (value) {
          static_cast<void>(document.check_body("createJobs", *value).has_value());
          EXPECT_TRUE(parse_json(json_text(*value))) << text;
        }
      });
}

// Every operation with a body, every name that any schema knows, and values of every kind in its
// place, also a level deeper: refused or not, but never a surprise to the validator.
TEST(Fuzz, WrongTypesInBodies) {
  const http::ApiDocument document{embedded_file("api/openapi.yaml")};
  std::set<std::string> names;
  const std::function<void(const boost::json::value&)> collect =
      [&](const boost::json::value& value) {
        if (const auto* object = value.if_object()) {
          for (const auto& [key, member] : *object) {
            if (key == "properties") {
              for (const auto& property : member.as_object()) {
                names.insert(std::string{property.key()});
              }
            }
            collect(member);
          }
        } else if (const auto* array = value.if_array()) {
          for (const auto& element : *array) {
            collect(element);
          }
        }
      };
  collect(boost::json::parse(document.text()));
  ASSERT_GT(names.size(), 30U);
  const auto values = boost::json::parse(
      R"([null, true, 0, -1, 1.5, 1e300, "", "x", [], {}, [[]], ["x"], [null], [[1]], [{}], {"a": 1},
          {"pipeline": []}, {"pipeline": "detect", "classes": [[]]}, {"pipeline": "detect", "model": {}}])");
  for (const auto& operation : document.operations()) {
    for (const auto& name : names) {
      for (const auto& value : values.as_array()) {
        const boost::json::object body{{name, value}, {"params", {{"pipeline", "detect"}}}};
        const boost::json::object alone{{name, value}};
        EXPECT_NO_THROW(static_cast<void>(document.check_body(operation.id, body).has_value()))
            << operation.id << " " << body;
        EXPECT_NO_THROW(static_cast<void>(document.check_body(operation.id, alone).has_value()))
            << operation.id << " " << alone;
      }
    }
    for (const auto& value : values.as_array()) {
      EXPECT_NO_THROW(static_cast<void>(document.check_body(operation.id, value).has_value()));
    }
  }
}

TEST(Fuzz, FilesOfOurs) {
  const auto file =
      std::filesystem::temp_directory_path() / ("infernode-dotenv-" + std::to_string(getpid()));
  fuzz({"INFERNODE_PORT=1\nexport DB_HOST='x'\n# c\n",
        "-- migrate:up\nCREATE\n-- migrate:down\nDROP\n"},
       2'000, [&](const std::string& text, Mutator&) {
         std::ofstream{file, std::ios::binary} << text;
         try {
           load_config({}, read_dotenv(file));
         } catch (const ConfigError&) {
         }
         try {
           db::parse_migration("20260101000000-x.sql", text);
         } catch (const db::MigrationError&) {
         }
         try {
           read_index(std::as_bytes(std::span{text}));
         } catch (const std::runtime_error&) {
         }
       });
  std::filesystem::remove(file);
}

TEST(Fuzz, Video) {
  const auto whole = test::read_file(INFERNODE_SOURCE_DIR "/examples/street.mp4");
  // The header's index is where a demuxer can be led astray; the first frames are enough behind it.
  for (std::uint32_t seed = 0; seed < 150; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Mutator mutator{seed};
    auto bytes = whole;
    const int reach = seed % 2 == 0 ? 4000 : static_cast<int>(bytes.size()) - 1;
    for (int i = 1 + mutator.number(20); i > 0; --i) {
      bytes[static_cast<std::size_t>(mutator.number(reach))] =
          static_cast<std::byte>(mutator.number(255));
    }
    if (seed % 5 == 0) {
      bytes.resize(static_cast<std::size_t>(mutator.number(static_cast<int>(bytes.size()))));
    }
    test::MemorySource source{bytes};
    try {
      const auto info = media::probe(source);
      EXPECT_GT(info.frame_count, 0);
      media::FrameReader reader{
          source, info.keyframes.empty() ? std::nullopt : std::optional{info.keyframes.back()}};
      for (int frames = 0; frames < 3 && reader.next(); ++frames) {
      }
    } catch (const media::MediaError&) {
    }
  }
}

}  // namespace
}  // namespace infernode
