#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace infernode::runner {

// What a runner is started with.
struct RunnerOptions {
  std::string model_folder;
  std::vector<std::string> models;  // to read before it gives up its rights; none for probing
  std::string device = "auto";      // "auto", "cpu" or "cuda"
  int threads = 0;                  // 0: one per core
  std::int64_t model_bytes = 0;     // of all their files
  bool tries_models = false;        // whether one that nobody trusts may come with a task

  // As the one argument of `infernode runner`, and back. from_argument() throws std::exception.
  std::string to_argument() const;
  static RunnerOptions from_argument(std::string_view text);

  friend bool operator==(const RunnerOptions&, const RunnerOptions&) = default;
};

}  // namespace infernode::runner
