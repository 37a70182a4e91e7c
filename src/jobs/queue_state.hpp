#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "jobs/worker_info.hpp"

namespace infernode {

// How the queue of an installation stands.
struct QueueState {
  struct Worker {
    std::string name;
    WorkerTotals totals;
  };

  std::map<std::string, std::int64_t> jobs;      // that have not ended, by status
  std::map<std::string, std::int64_t> segments;  // of those, by state
  double oldest_seconds = 0;                     // since the oldest waiting job was accepted
  std::vector<Worker> workers;
};

}  // namespace infernode
