#pragma once

#include <string>
#include <vector>

#include "core/id.hpp"

namespace infernode {

using WorkerId = Id<struct WorkerTag>;

// A worker, and what it can work on.
struct WorkerInfo {
  WorkerId id;
  std::string name;  // "host:pid:1"
  std::string host;
  std::string version;
  std::vector<std::string> devices;    // "cpu", "cuda"
  std::vector<std::string> models;     // by name
  std::vector<std::string> pipelines;  // by name

  // What segments may need of a worker, in the words of needs_of().
  std::vector<std::string> offers() const {
    std::vector<std::string> all;
    for (const auto& device : devices) {
      all.push_back("device:" + device);
    }
    for (const auto& pipeline : pipelines) {
      all.push_back("pipeline:" + pipeline);
    }
    for (const auto& model : models) {
      all.push_back("model:" + model);
    }
    return all;
  }
};

// How long after its last heartbeat a worker is taken for gone.
constexpr int kWorkerSilenceSeconds = 30;

}  // namespace infernode
