#pragma once

#include <string>
#include <vector>

namespace infernode::runner {

// What a runner is started with.
struct RunnerOptions {
  std::string model_folder;
  std::vector<std::string> models;  // to load before it gives up its rights; none for probing
  std::string device = "auto";      // "auto", "cpu" or "cuda"
  int threads = 0;                  // 0: one per core

  friend bool operator==(const RunnerOptions&, const RunnerOptions&) = default;
};

}  // namespace infernode::runner
