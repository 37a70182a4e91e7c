// The main function of test binaries. A worker starts its runners as this binary again, so it can
// be one.
#include <gtest/gtest.h>

#include <string_view>

#include "runner/child/runner.hpp"

int main(int argc, char** argv) {
  if (argc == 3 && std::string_view{argv[1]} == "runner") {
    return infernode::runner::run_runner(infernode::runner::RunnerOptions::from_argument(argv[2]));
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
