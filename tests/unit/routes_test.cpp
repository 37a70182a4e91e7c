// Goal: the API document and the server name the same operations.
// Method: wire the whole server (nothing is connected yet) and compare both lists.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <set>

#include "cli/app.hpp"

namespace infernode::cli {
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
    const Edge edge{app, keys};
    std::set<std::string> documented;
    for (const auto& operation : edge.document.operations()) {
      documented.insert(operation.method + " " + operation.path + " " + operation.id);
    }
    std::set<std::string> routed;
    for (const auto& route : edge.router.routes()) {
      if (!route.operation_id.empty()) {
        routed.insert(route.method + " " + route.path + " " + route.operation_id);
      }
    }
    EXPECT_EQ(documented, routed);
    EXPECT_GT(routed.size(), 25U);
    EXPECT_THROW(const_cast<http::Router&>(edge.router)
                     .add({"GET",
                           "/api/v1/undocumented",
                           "undocumented",
                           http::Access::user,
                           http::BodyKind::none,
                           {}}),
                 std::logic_error);
  }
  std::filesystem::remove_all(keys);
}

}  // namespace
}  // namespace infernode::cli
