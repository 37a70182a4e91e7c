#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

// What reads bytes from outside, each as a function of bytes: a corpus, mutations of it and a
// fuzzer that follows coverage (tests/fuzz/explore) all go through these. A target aborts, throws
// or lets a sanitizer speak when something is wrong; whatever else it does with its bytes is right.
namespace infernode::fuzz {

struct Target {
  std::string name;  // also of its folder in tests/fuzz/corpus
  void (*run)(std::span<const std::byte> bytes);
};
const std::vector<Target>& targets();

}  // namespace infernode::fuzz
