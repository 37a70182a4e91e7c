#pragma once

#include <optional>
#include <string>

namespace infernode::runner {

struct RunnerOptions {
  std::string model_folder;  // with `model`; both empty for a runner that only probes
  std::string model;
  std::string device = "auto";
  int threads = 0;  // 0: one per core
};

// The runner's whole life: loads the model, gives up every right it does not need, then does the
// tasks that come over descriptor 3 until the worker closes it. Returns the exit status.
int run_runner(const RunnerOptions& options);

}  // namespace infernode::runner
