// Goal: no parser of outside bytes crashes, hangs or reads what is not its own, whatever it is
// given. Method: a corpus of good input for each, mutated with a fixed seed (a failure prints it),
// under the sanitizers in continuous integration; tests/fuzz/explore looks further, led by
// coverage. What either finds becomes a plain test.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
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
#include "targets.hpp"

extern "C" {
#include <libavutil/log.h>
}

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

void mutate_corpus(const std::vector<std::string>& corpus, int rounds,
                   const std::function<void(const std::string&, Mutator&)>& target) {
  for (std::uint32_t seed = 0; seed < static_cast<std::uint32_t>(rounds); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Mutator mutator{seed};
    target(mutator.mutate(corpus[seed % corpus.size()]), mutator);
  }
}

// Files of tests/fuzz/corpus: good input, and what exploring found to reach code that it does not.
std::vector<std::string> corpus_of(const std::string& target) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry :
       std::filesystem::directory_iterator{INFERNODE_SOURCE_DIR "/tests/fuzz/corpus/" + target}) {
    files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  std::vector<std::string> corpus;
  for (const auto& file : files) {
    std::ifstream in{file, std::ios::binary};
    corpus.emplace_back(std::istreambuf_iterator<char>{in}, std::istreambuf_iterator<char>{});
  }
  return corpus;
}

TEST(Fuzz, Targets) {
  av_log_set_level(AV_LOG_QUIET);
  const std::map<std::string, int> rounds{{"probe", 500},           {"runner_messages", 1'500},
                                          {"image_index", 5'000},   {"multipart", 20'000},
                                          {"request_head", 20'000}, {"manifest", 2000},
                                          {"tus_headers", 20'000},  {"zip", 2'000},
                                          {"chunked_body", 20'000}};
  for (const auto& target : fuzz::targets()) {
    SCOPED_TRACE(target.name);
    const auto corpus = corpus_of(target.name);
    ASSERT_FALSE(corpus.empty());
    for (const auto& known : corpus) {
      target.run(std::as_bytes(std::span{known}));
    }
    mutate_corpus(corpus, rounds.at(target.name), [&](const std::string& bytes, Mutator&) {
      target.run(std::as_bytes(std::span{bytes}));
    });
  }
}

TEST(Fuzz, HeadersAndQueries) {
  const http::ApiDocument document{"api/openapi.yaml"};
  mutate_corpus(
      {"bytes=0-9", "bytes=-5", "multipart/form-data; boundary=\"a\\\"b\"",
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
  const http::ApiDocument document{"api/openapi.yaml"};
  mutate_corpus(
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
  const http::ApiDocument document{"api/openapi.yaml"};
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
  mutate_corpus({"INFERNODE_PORT=1\nexport DB_HOST='x'\n# c\n",
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
                });
  std::filesystem::remove(file);
}

}  // namespace
}  // namespace infernode
