#pragma once

#include <cstdlib>
#include <string_view>

namespace infernode::test {

// Whether the long form of a test is wanted: RUN_LONG_TESTS=1, which `./test --long` sets.
inline bool long_tests_wanted() {
  const char* setting = std::getenv("RUN_LONG_TESTS");
  return setting != nullptr && std::string_view{setting} == "1";
}

}  // namespace infernode::test
