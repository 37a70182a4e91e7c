// The main function of test binaries. A worker starts its runners as this binary again, so it can
// be one.
#include <gtest/gtest.h>

#include <string_view>

#include "cli/commands.hpp"

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view{argv[1]} == "runner") {
    CLI::App app{"a runner of the tests"};
    int status = 1;
    infernode::cli::add_runner_command(app, status);
    CLI11_PARSE(app, argc, argv);
    return status;
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
