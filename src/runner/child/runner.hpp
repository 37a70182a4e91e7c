#pragma once

#include "runner/options.hpp"

namespace infernode::runner {

// The runner's whole life: loads its models, gives up every right it does not need, then does the
// tasks that come over descriptor 3 until the worker closes it. Returns the exit status.
int run_runner(const RunnerOptions& options);

}  // namespace infernode::runner
