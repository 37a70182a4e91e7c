// Goal: people can do everything on the dashboard, see what happens as it happens, with a keyboard
// and on a phone, in light and dark, without a fault in the console. Method: Chromium, driven by
// tests/e2e/dashboard.mjs, against the real server with the real models. Pictures of all pages are
// left in build/e2e.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <iostream>

#include "core/process.hpp"
#include "testing/test_server.hpp"

namespace infernode::test {
namespace {

namespace fs = std::filesystem;

TEST(E2e, PeopleUseTheDashboard) {
  TestServer server;
  ASSERT_EQ(server.command({"db:seed"}).status, 0);
  const fs::path sources{INFERNODE_SOURCE_DIR};
  const std::map<std::string, std::string> settings{
      {"INFERNODE_E2E_URL", fmt::format("http://127.0.0.1:{}", server.port())},
      {"INFERNODE_E2E_ADMIN", "admin@example.com"},
      {"INFERNODE_E2E_MODEL", fs::path{INFERNODE_MODELS} / "ssd-mobilenet-v2"},
      {"INFERNODE_E2E_CLIP", sources / "examples/street.mp4"},
      {"INFERNODE_E2E_ARTEFACTS", sources / "build/e2e"}};
  std::vector<std::string> line{"env"};
  for (const auto& [name, value] : settings) {
    line.push_back(name + "=" + value);
  }
  line.insert(line.end(), {"node", sources / "tests/e2e/dashboard.mjs"});
  const auto result = run_process(line);
  std::cout << result.output;
  EXPECT_EQ(result.status, 0);
}

}  // namespace
}  // namespace infernode::test
