#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "core/id.hpp"
#include "jobs/segment.hpp"
#include "jobs/worker_info.hpp"

namespace infernode {

// How the queue of an installation stands.
struct QueueState {
  // What a worker works on.
  struct Work {
    JobId job;
    std::string pipeline;
    SegmentKind kind = SegmentKind::frames;
    int images = 0;
    int done = 0;
  };
  struct Worker {
    std::string name;
    std::string host;
    std::string version;
    std::vector<std::string> devices;
    std::vector<std::string> models;
    Timestamp started_at;
    Timestamp heartbeat_at;
    std::optional<std::string> paused{};  // why it takes no work
    std::optional<Work> work{};
    WorkerTotals totals;
  };

  std::map<std::string, std::int64_t> jobs;      // that have not ended, by status
  std::map<std::string, std::int64_t> segments;  // of those, by state
  double oldest_seconds = 0;                     // since the oldest waiting job was accepted
  std::vector<Worker> workers;
};

}  // namespace infernode
