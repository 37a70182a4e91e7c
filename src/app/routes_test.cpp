// Goal: the API document and the server name the same operations.
// Method: wire the whole server (nothing is connected yet) and compare both lists.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <set>

#include "app/app.hpp"

namespace infernode::app {
namespace {

TEST(Routes, AreThoseOfTheDocument) {
  const auto keys =
      std::filesystem::temp_directory_path() / ("infernode-routes-" + std::to_string(getpid()));
  generate_key(keys);
  {
    Config config;
    config.model_dir = INFERNODE_MODELS;
    config.bcrypt_cost = 4;
    App app{config, "host=/nonexistent", {}};
    Api api{app, keys};
    std::set<std::string> documented;
    for (const auto& operation : api.document.operations()) {
      documented.insert(operation.id);
    }
    std::set<std::string> routed;
    for (const auto& route : api.router.routes()) {
      if (!route.id.empty()) {
        EXPECT_TRUE(routed.insert(route.id).second) << route.id;
      }
    }
    EXPECT_EQ(documented, routed);
    EXPECT_GT(routed.size(), 25U);
    EXPECT_THROW(api.router.on("undocumented", {}), std::logic_error);
    // Who may is said in the document alone: whatever is for administrators is so there.
    for (const auto& operation : api.document.operations()) {
      EXPECT_EQ(operation.path.starts_with("/api/v1/admin/"),
                operation.access == http::Access::admin)
          << operation.id;
    }
  }
  std::filesystem::remove_all(keys);
}

}  // namespace
}  // namespace infernode::app
