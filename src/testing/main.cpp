// The main function of test binaries. A worker starts its runners as this binary again, so it can
// be one; besides the usual tasks they try to get out of their box.
#include <gtest/gtest.h>

#include <string_view>

#include "runner/child/runner.hpp"
#include "testing/escapes.hpp"

namespace {

boost::json::object run_or_escape(const boost::json::value& task,
                                  const infernode::runner::RunnerParts& parts) {
  if (task.at("op").as_string() == "escape") {
    const auto words = boost::json::value_to<std::string>(task.at("attempt"));
    return infernode::test::try_to_escape(words, parts);
  }
  return infernode::runner::run_task(task, parts);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3 && std::string_view{argv[1]} == "runner") {
    infernode::runner::run_runner(infernode::runner::RunnerOptions::from_argument(argv[2]),
                                  run_or_escape);
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
