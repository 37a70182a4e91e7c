// Goal: the README's tour works as it stands.
// Method: its commands, cut out of the file, run by a shell against a real server.
#include <gtest/gtest.h>

#include <fstream>

#include "core/process.hpp"
#include "testing/test_server.hpp"

namespace infernode::test {
namespace {

// The code block that begins with this line.
std::string block_of(const std::string& readme, const std::string& first_line) {
  const auto begin = readme.find("```sh\n" + first_line);
  const auto end = readme.find("```", begin + 3);
  return begin == std::string::npos ? "" : readme.substr(begin + 6, end - begin - 6);
}

TEST(Readme, TheTourRunsAsItStands) {
  std::ifstream in{INFERNODE_SOURCE_DIR "/README.md"};
  const std::string readme{std::istreambuf_iterator<char>{in}, {}};
  std::string tour = block_of(readme, "api=http://127.0.0.1:3000/api/v1");
  ASSERT_FALSE(tour.empty());
  TestServer server;
  EXPECT_EQ(server.command({"db:seed"}).status, 0);
  const std::string port = std::to_string(server.port());
  tour.replace(tour.find("3000"), 4, port);
  std::string second = block_of(readme, "line='{");
  ASSERT_FALSE(second.empty());
  // A person reads the result once the job is COMPLETED; a script has to wait for that.
  for (std::string* part : {&tour, &second}) {
    const auto wait = part->find("curl -s $api/jobs/$job/result");
    ASSERT_NE(wait, std::string::npos);
    part->insert(wait,
                 "for i in $(seq 600); do curl -s $api/jobs/$job -H \"$auth\" | grep -q COMPLETED "
                 "&& break; sleep 0.1; done\n");
  }
  tour += second;
  const auto file = server.folder() / "tour.sh";
  std::ofstream{file} << "set -eu\ncd " << INFERNODE_SOURCE_DIR << "\n"
                      << tour << "\nunzip -tq images.zip; rm images.zip\n";
  // images.zip is written where the tour runs; that is the server's folder here.
  std::string script;
  {
    std::ifstream written{file};
    script.assign(std::istreambuf_iterator<char>{written}, {});
  }
  script.replace(
      script.find("cd " INFERNODE_SOURCE_DIR), sizeof("cd " INFERNODE_SOURCE_DIR) - 1,
      "cd " + server.folder().string() + "; ln -s " INFERNODE_SOURCE_DIR "/examples examples");
  std::ofstream{file} << script;
  const auto result = run_process({"sh", file.string()});
  EXPECT_EQ(result.status, 0) << result.output;
  for (const char* expected : {"\"tokens\":", "\"images\":60", "\"cost\":0.12", "\"frames\":[",
                               "No errors detected", "\"kind\":\"job\"", "\nh264,120\n"}) {
    EXPECT_NE(result.output.find(expected), std::string::npos) << expected << "\n"
                                                               << result.output.substr(0, 2000);
  }
  // What the page shows of the counting line is what came out.
  const auto counted = second.find("#> \"person\"");
  ASSERT_NE(counted, std::string::npos);
  const auto line = second.substr(counted + 3, second.find('\n', counted) - counted - 2);
  EXPECT_NE(result.output.find(line), std::string::npos) << line;
  EXPECT_EQ(result.output.find("/problems/"), std::string::npos) << result.output.substr(0, 2000);
}

}  // namespace
}  // namespace infernode::test
